module github.com/netscript/auth

go 1.26
