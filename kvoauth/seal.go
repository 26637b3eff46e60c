package kvoauth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/netscript/auth"
)

// What a sealed record is for. A record sealed for one purpose does not open for another: each has keys of its own,
// derived from the configured ones.
const (
	purposeSession     = "session"
	purposeTokens      = "tokens"
	purposeTransaction = "transaction"
	purposeIndex       = "index"
	purposeAccount     = "account"
	purposeSignOut     = "sign-out"
)

const (
	sealVersion = 1
	keyIDSize   = 4
	sealHeader  = 1 + keyIDSize
)

var errSealed = errors.New("sealed record does not open")

// sealer seals records of one purpose with AES-256-GCM. A sealed record is
//
//	version (1 byte) | key id (4 bytes) | nonce (12) | ciphertext | tag (16)
//
// and its associated data is the header, the purpose and the name of the record it belongs to, so that it opens
// nowhere else. Nonces are random; a key is good for 2^32 records (NIST SP 800-38D, section 8.3).
type sealer struct {
	purpose string
	ring    []sealKey
}

type sealKey struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

func newSealer(purpose string, keys []auth.Key) (*sealer, error) {
	s := &sealer{purpose: purpose}
	for _, k := range keys {
		derived, err := hkdf.Key(sha256.New, k.Bytes(), nil, "netscript auth kvoauth v1 "+purpose, auth.KeySize+keyIDSize)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		block, err := aes.NewCipher(derived[:auth.KeySize])
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		s.ring = append(s.ring, sealKey{[keyIDSize]byte(derived[auth.KeySize:]), aead})
	}
	return s, nil
}

// seal seals plain for the record called name, with the first key.
func (s *sealer) seal(name string, plain []byte) []byte { return s.sealWith(s.ring[0], name, plain) }

// sealLike seals plain with the key that prev was sealed with: what it replaces, it also dies with.
func (s *sealer) sealLike(prev []byte, name string, plain []byte) []byte {
	return s.sealWith(s.ring[s.position(prev)], name, plain)
}

// position returns where in the ring the key is that sealed was sealed with, or 0 when it is none of them.
func (s *sealer) position(sealed []byte) int {
	for i, k := range s.ring {
		if len(sealed) >= sealHeader && k.id == [keyIDSize]byte(sealed[1:sealHeader]) {
			return i
		}
	}
	return 0
}

func (s *sealer) sealWith(k sealKey, name string, plain []byte) []byte {
	out := make([]byte, sealHeader, sealHeader+len(plain)+k.aead.Overhead())
	out[0] = sealVersion
	copy(out[1:], k.id[:])
	return k.aead.Seal(out, nil, plain, s.associated(out[:sealHeader], name)) //nolint:gosec // this AEAD makes its own nonce
}

// open returns what was sealed for the record called name. The error says nothing of the content.
func (s *sealer) open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < sealHeader || sealed[0] != sealVersion {
		return nil, errSealed
	}
	for _, k := range s.ring {
		if k.id != [keyIDSize]byte(sealed[1:sealHeader]) {
			continue
		}
		if plain, err := k.aead.Open(nil, nil, sealed[sealHeader:], s.associated(sealed[:sealHeader], name)); err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}

// associated is unambiguous: the header has a fixed length and no purpose contains a zero byte.
func (s *sealer) associated(header []byte, name string) []byte {
	ad := make([]byte, 0, len(header)+len(s.purpose)+1+len(name))
	ad = append(ad, header...)
	ad = append(ad, s.purpose...)
	ad = append(ad, 0)
	return append(ad, name...)
}
