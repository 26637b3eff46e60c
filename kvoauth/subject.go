package kvoauth

import (
	"strings"
)

// subjectPrefix starts the qualified subjects. No subject of a provider may start with it, so the subjects of the primary
// provider, which are not qualified, can never equal a qualified one, whatever a provider calls its users.
const subjectPrefix = "urn:netscript:"

// subject returns the application-wide subject of the provider's user sub: sub itself at the primary provider, otherwise
// urn:netscript:{provider}:{sub}. Provider ids contain no colon, so the form is unambiguous. It is false for a sub that
// is reserved.
func (rp *relyingParty) subject(sub string) (string, bool) {
	if sub == "" || strings.HasPrefix(sub, subjectPrefix) {
		return "", false
	}
	if rp.primary {
		return sub, true
	}
	return subjectPrefix + rp.Provider.ID + ":" + sub, true
}
