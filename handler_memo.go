package auth

import (
	"encoding/json"

	"github.com/netscript/auth/internal/memo"
)

// answers remembers the bodies of /session and /me of authentications that a backend returns again and again, because
// encoding them costs more than everything else about such a request. It decides nothing: the backend is asked every
// time, and says what it always says by returning the same value, which never changes.
type answers struct {
	session, me *memo.Memo[Authentication, []byte]
}

func newAnswers() answers {
	return answers{memo.New[Authentication, []byte](), memo.New[Authentication, []byte]()}
}

func (m answers) sessionOf(a *Authentication) ([]byte, error) {
	return m.session.Of(a, func(a *Authentication) ([]byte, error) {
		return json.Marshal(sessionAnswer{true, wireSession(a.Session)})
	})
}

func (m answers) meOf(a *Authentication) ([]byte, error) {
	return m.me.Of(a, func(a *Authentication) ([]byte, error) {
		return json.Marshal(meAnswer{true, userOf(a), wireSession(a.Session)})
	})
}
