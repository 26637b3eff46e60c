package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certificate authority that exists for one test.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	name net.IP
}

// NewAuthority returns an authority whose servers have certificates for 127.0.0.1.
func NewAuthority(t testing.TB) *Authority { return newAuthority(t, net.IPv4(127, 0, 0, 1)) }

// NewAuthorityOfOthers returns an authority whose servers have certificates for an address they are not at.
func NewAuthorityOfOthers(t testing.TB) *Authority { return newAuthority(t, net.IPv4(192, 0, 2, 1)) }

func newAuthority(t testing.TB, name net.IP) *Authority {
	t.Helper()
	a := &Authority{key: newKey(t), name: name}
	der := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, a.key, a.key)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert = cert
	return a
}

// Client returns a configuration that trusts this authority and no other.
func (a *Authority) Client() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12, ServerName: a.name.String()}
}

// Trusting returns a configuration that trusts this authority and takes the server's name from its address.
func (a *Authority) Trusting() *tls.Config {
	c := a.Client()
	c.ServerName = ""
	return c
}

// files writes the certificate and key of a new server, and the authority's certificate.
func (a *Authority) files(t testing.TB) (cert, key, ca string) {
	t.Helper()
	serverKey := newKey(t)
	der := sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{a.name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}, a.cert, serverKey, a.key)
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER), write("ca.pem", "CERTIFICATE", a.cert.Raw)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign returns the certificate of key's public half, signed by parent, or by itself if parent is nil.
func sign(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
	t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Server returns the configuration of a server of this authority that speaks no later version of TLS than most.
func (a *Authority) Server(t testing.TB, most uint16) *tls.Config {
	t.Helper()
	cert, key, _ := a.files(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: most} //nolint:gosec // to be refused
}
