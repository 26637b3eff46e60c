// Package authapi_test uses the authentication service as its users do: the program of examples/authapi with an
// environment, over HTTP, with an OpenID provider, databases, a reverse proxy, a browser and a client that share no code
// with it.
package authapi_test
