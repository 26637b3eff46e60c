package kvoauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/netscript/auth"
)

const transactionKeyPrefix = "t:"

// transaction is a sign-in under way. It is stored sealed, under its state, and consumed by the first callback that
// proves to come from the browser that started it.
type transaction struct {
	ProviderID  string            `cbor:"1,keyasint"`
	Nonce       string            `cbor:"2,keyasint"`
	Verifier    string            `cbor:"3,keyasint"` // of PKCE (RFC 7636, section 4.1)
	RedirectURL string            `cbor:"4,keyasint"`
	ReturnTo    string            `cbor:"5,keyasint"`
	State       string            `cbor:"6,keyasint"` // the application's
	Mode        auth.ResponseMode `cbor:"7,keyasint"`
	Previous    string            `cbor:"8,keyasint"`            // handle of the session that the browser had, to be ended
	Link        string            `cbor:"10,keyasint,omitempty"` // the user to link the account to; empty for a sign-in
	BeganAt     int64             `cbor:"9,keyasint"`            // Unix milliseconds
	Epoch       int64             `cbor:"11,keyasint"`           // in which it began
	// MaxAge and ACRValues are what the ID token is held to, as in auth.SignInParams.
	MaxAge    time.Duration `cbor:"12,keyasint,omitempty"`
	ACRValues []string      `cbor:"13,keyasint,omitempty"`
	// StepUp is the user that must come back; empty for a sign-in.
	StepUp string `cbor:"14,keyasint,omitempty"`
	// DPoPKey is what the tokens will be bound to; nil if nothing. thumbprint is its own, and not stored.
	DPoPKey    dpopKey `cbor:"15,keyasint,omitempty"`
	thumbprint string
}

// stateOf derives the state parameter from the secret in the transaction's cookie. So the check that a callback comes
// from the browser that started the sign-in needs nothing but the two, and a callback without the cookie consumes
// nothing; and the state, which everyone sees in the URL, does not give the secret away.
func stateOf(secret string) string {
	sum := sha256.Sum256([]byte("netscript auth state\x00" + secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func stateMatches(state, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(state), []byte(stateOf(secret))) == 1
}

func (b *Backend) putTransaction(ctx context.Context, state string, t *transaction) error {
	plain, err := cbor.Marshal(t)
	if err != nil {
		return fail(auth.CodeInternal, "sign in", err)
	}
	if err := b.cfg.SignInKV.Set(ctx, transactionKeyPrefix+state, b.sealTransaction.seal(state, plain), b.cfg.SignInTimeout); err != nil {
		return storeError("sign in", err)
	}
	return nil
}

// takeTransaction consumes the transaction of state. An error of the store counts as consumed: it is not asked again.
func (b *Backend) takeTransaction(ctx context.Context, state string) (*transaction, error) {
	sealed, found, err := b.cfg.SignInKV.Take(ctx, transactionKeyPrefix+state)
	if err != nil {
		return nil, storeError("callback", err)
	}
	if !found {
		return nil, fail(auth.CodeTransactionInvalid, "callback", errors.New("used before, or expired"))
	}
	plain, err := b.sealTransaction.open(state, sealed)
	if err != nil {
		return nil, fail(auth.CodeTransactionInvalid, "callback", err)
	}
	var t transaction
	if err := b.decode.Unmarshal(plain, &t); err != nil {
		return nil, fail(auth.CodeTransactionInvalid, "callback", errors.New("unknown format"))
	}
	if !b.cfg.Now().Before(time.UnixMilli(t.BeganAt).Add(b.cfg.SignInTimeout)) {
		return nil, fail(auth.CodeTransactionInvalid, "callback", errors.New("expired"))
	}
	return &t, nil
}
