package authapi

import (
	"os"

	"github.com/netscript/auth/kvoauth"
	"github.com/netscript/auth/providers"
)

// maxKeyFile bounds the file that holds the client's keys.
const maxKeyFile = 64 << 10

// readClientAuth reads how the client of prefix authenticates, and with which keys.
func (e *environ) readClientAuth(prefix string, c *kvoauth.Client) {
	method := e.choice(prefix+"CLIENT_AUTH", string(providers.ClientSecretBasic), string(providers.ClientSecretPost),
		string(providers.ClientSecretJWT), string(providers.PrivateKeyJWT), string(providers.ClientAuthNone))
	if method != "" {
		c.Provider.ClientAuth = providers.ClientAuth(method)
	}
	c.SigningKeys = e.signingKeys(prefix)
	c.DPoP = e.flag(prefix + "DPOP")
	if e.flag(prefix + "PUSHED_AUTHORIZATION") {
		c.Provider.PushedAuthorization = true
	}
	switch c.Provider.ClientAuth {
	case providers.ClientSecretBasic, providers.ClientSecretPost, providers.ClientSecretJWT:
		if c.ClientSecret.IsZero() && !e.has(prefix+"CLIENT_SECRET") {
			e.complain(prefix+"CLIENT_SECRET", "is missing", "set it: this provider knows no clients without a secret")
		}
	case providers.PrivateKeyJWT, providers.SignedSecret:
		if !e.has(prefix + "CLIENT_KEY_FILE") {
			e.complain(prefix+"CLIENT_KEY_FILE", "is missing", "name the file with the private key that this client signs with, as PEM (PKCS #8) or as a JWK")
		}
	}
}

// signingKeys reads the file with the client's private keys.
func (e *environ) signingKeys(prefix string) []kvoauth.SigningKey {
	name := prefix + "CLIENT_KEY_FILE"
	file, id := e.text(name), e.text(prefix+"CLIENT_KEY_ID")
	if file == "" {
		if id != "" && !e.has(name) {
			e.complain(prefix+"CLIENT_KEY_ID", "is for a key, and there is none", "set "+name+", or remove it")
		}
		return nil
	}
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxKeyFile {
		e.complain(name, "names no file that can be read", "set it to the path of a file with the key")
		return nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // who configures the service names it
	if err != nil {
		e.complain(name, "names no file that can be read", "let this process read it")
		return nil
	}
	keys, err := kvoauth.ParseSigningKeys(text, id)
	if err != nil {
		e.complain(name, "has no usable key ("+err.Error()+")", "write RSA keys of 2048 bits or more, P-256 or Ed25519 keys into it, as PEM (PKCS #8) or as JWKs")
		return nil
	}
	return keys
}

// canAuthenticate reports whether c has what its way of authentication needs.
func canAuthenticate(c kvoauth.Client) bool {
	switch c.Provider.ClientAuth {
	case providers.ClientSecretBasic, providers.ClientSecretPost, providers.ClientSecretJWT:
		return !c.ClientSecret.IsZero()
	case providers.PrivateKeyJWT, providers.SignedSecret:
		return len(c.SigningKeys) > 0
	}
	return true
}
