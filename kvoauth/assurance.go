package kvoauth

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netscript/auth"
)

const (
	maxACR = 255 // bytes
	maxAMR = 32  // methods
)

// assurance is how recently and how strongly a person must have proven to the provider who they are.
type assurance struct {
	maxAge time.Duration // as auth.SignInParams.MaxAge
	acr    []string      // nil: any
	prompt string
}

// definedAssurance is what the provider's definition asks for at every sign-in. It was validated.
func (rp *relyingParty) definedAssurance() assurance {
	params := rp.Provider.AuthParams
	a := assurance{acr: strings.Fields(params["acr_values"]), prompt: params["prompt"]}
	if seconds, err := strconv.ParseInt(params["max_age"], 10, 32); err == nil {
		a.maxAge = time.Duration(seconds) * time.Second
		if seconds == 0 {
			a.maxAge = auth.ReauthenticateNow
		}
	}
	return a
}

// assurance returns what a sign-in asks for: what the provider's definition does, which p can raise and not lower. A plain
// OAuth provider is not asked, because nothing in its answer would tell.
func (rp *relyingParty) assurance(p auth.SignInParams) (assurance, error) {
	a := rp.definedAssurance()
	a.maxAge = shorterAge(a.maxAge, p.MaxAge)
	if len(p.ACRValues) > 0 {
		wanted := slices.Clone(p.ACRValues)
		if defined := a.acr; len(defined) > 0 {
			wanted = slices.DeleteFunc(wanted, func(v string) bool { return !slices.Contains(defined, v) })
		}
		if len(wanted) == 0 {
			return a, refuseField("acrValues", "the provider is always asked for others")
		}
		a.acr = wanted
	}
	if p.Prompt == auth.PromptNone && interactive(a.prompt) {
		return a, refuseField("prompt", "the provider is always asked to prompt")
	}
	a.prompt = mergePrompts(a.prompt, p.Prompt)
	switch {
	case !rp.isOIDC() && (a.maxAge != 0 || len(a.acr) > 0):
		return a, auth.Unsupported(Name, "sign in", "a plain OAuth provider does not say when and how a person was authenticated")
	case a.prompt == auth.PromptNone && a.maxAge == auth.ReauthenticateNow:
		return a, refuseField("prompt", "none excludes a maxAge of 0")
	}
	return a, nil
}

// shorterAge returns the stricter of two ages in whole seconds, of which zero is none.
func shorterAge(x, y time.Duration) time.Duration {
	if y > 0 {
		y = y.Truncate(time.Second)
	}
	if x == 0 || y == 0 {
		return x + y
	}
	return min(x, y) // auth.ReauthenticateNow is the least
}

// interactive reports whether a definition's prompts want the person there at every sign-in: a link on somebody's page
// must not sign them in silently then. A consent may be one that was given before.
func interactive(defined string) bool {
	prompts := strings.Fields(defined)
	return slices.Contains(prompts, auth.PromptLogin) || slices.Contains(prompts, auth.PromptSelectAccount)
}

// mergePrompts adds what this sign-in prompts for to what all do, unless one of them is to ask nothing.
func mergePrompts(defined, asked string) string {
	if asked == "" || asked == auth.PromptNone || defined == "" || defined == auth.PromptNone {
		if asked == "" {
			return defined
		}
		return asked
	}
	prompts := strings.Fields(defined)
	for _, p := range strings.Fields(asked) {
		if !slices.Contains(prompts, p) {
			prompts = append(prompts, p)
		}
	}
	return strings.Join(prompts, " ")
}

func refuseField(name, complaint string) error {
	return &auth.Error{Code: auth.CodeValidation, Backend: Name, Op: "sign in", Err: errors.New(complaint), Fields: map[string]string{name: complaint}}
}

// params are the parameters of the authorization request (OpenID Connect Core 1.0, section 3.1.2.1).
func (a assurance) params() map[string]string {
	params := map[string]string{}
	switch {
	case a.maxAge == auth.ReauthenticateNow:
		params["max_age"] = "0"
	case a.maxAge > 0:
		params["max_age"] = strconv.FormatInt(int64(a.maxAge/time.Second), 10)
	}
	if len(a.acr) > 0 {
		params["acr_values"] = strings.Join(a.acr, " ")
	}
	if a.prompt != "" {
		params["prompt"] = a.prompt
	}
	return params
}

// authentication is when and how the person proved who they are, as far as the ID token says.
type authentication struct {
	at  time.Time // zero: not known, or not to be believed
	acr string
	amr []string
}

func (rp *relyingParty) authenticationOf(c claimSet) (a authentication) {
	now := rp.Now()
	if at, ok := c.time("auth_time"); ok && !at.After(now.Add(rp.ClockSkew)) {
		a.at = at
		if at.After(now) {
			a.at = now
		}
	}
	if acr := c.text("acr"); len(acr) <= maxACR {
		a.acr = acr
	}
	amr, ok := c.texts("amr")
	if ok && len(amr) <= maxAMR && !slices.ContainsFunc(amr, func(m string) bool { return len(m) > maxACR }) {
		a.amr = amr
	}
	return a
}

// checkAuthentication holds the ID token to what was asked for (OpenID Connect Core 1.0, section 3.1.3.7, steps 12 and
// 13): a provider may ignore acr_values and, against section 3.1.2.1, max_age. Whoever was authenticated after the
// sign-in began is recent enough, however long a page of the provider kept them then.
func (rp *relyingParty) checkAuthentication(a authentication, t *transaction) error {
	if t.MaxAge != 0 {
		earliest := time.UnixMilli(t.BeganAt)
		if t.MaxAge > 0 {
			if e := rp.Now().Add(-t.MaxAge); e.Before(earliest) {
				earliest = e
			}
		}
		if a.at.IsZero() || a.at.Before(earliest.Add(-rp.ClockSkew)) {
			return fail(auth.CodeUnmetAuthentication, "ID token", errors.New("auth_time is missing, no time, or too long ago"))
		}
	}
	if len(t.ACRValues) > 0 && (a.acr == "" || !slices.Contains(t.ACRValues, a.acr)) {
		return fail(auth.CodeUnmetAuthentication, "ID token", errors.New("acr is missing or none of those that were asked for"))
	}
	return nil
}
