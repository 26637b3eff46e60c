package quickstart_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// authority is a self-signed authority with one certificate, for this machine's loopback names.
type authority struct {
	roots *x509.CertPool
	site  tls.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	site := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	caKey, siteKey := newKey(t), newKey(t)
	root := sign(t, ca, ca, caKey, caKey)
	a := &authority{roots: x509.NewCertPool()}
	a.roots.AddCert(root)
	a.site = tls.Certificate{Certificate: [][]byte{sign(t, site, root, siteKey, caKey).Raw}, PrivateKey: siteKey}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// client trusts nobody but the authority.
func (a *authority) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: a.roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}}
}

// secureSite is an https site of the test, which exists before its handler does: the two sites know each other's URL.
type secureSite struct {
	server *httptest.Server
	url    string
}

// newSecureSite listens on loopback for a site that is called host.
func (a *authority) newSecureSite(t *testing.T, host string) *secureSite {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	t.Cleanup(s.Close)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{a.site}, MinVersion: tls.VersionTLS12}
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that the browser gives up
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return &secureSite{server: s, url: "https://" + net.JoinHostPort(host, port)}
}

func (s *secureSite) serve(h http.Handler) {
	s.server.Config.Handler = h
	s.server.StartTLS()
}
