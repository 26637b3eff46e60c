package providers

import (
	"slices"
	"strings"
)

// assuranceParams ask for a recent or strong authentication (OpenID Connect Core 1.0 section 3.1.2.1). What they ask for
// is looked for in the ID token, so they must be understood and be in one place.
var assuranceParams = [...]string{"prompt", "max_age", "acr_values"}

func (v *violations) assurance(p Provider) {
	for name := range p.AuthParams {
		if isOneOf(assuranceParams[:], name) && !slices.Contains(assuranceParams[:], name) {
			v.addf("AuthParams has prompt, max_age or acr_values in another spelling")
		}
	}
	age, hasAge := p.AuthParams["max_age"]
	classes, hasClasses := p.AuthParams["acr_values"]
	prompt, hasPrompt := p.AuthParams["prompt"]
	if hasAge && (len(age) > 9 || age == "" || !only(age, func(c byte) bool { return c >= '0' && c <= '9' })) {
		v.addf("AuthParams max_age is not a number of seconds")
	}
	if hasClasses && !words(classes) {
		v.addf("AuthParams acr_values is not a list of values separated by one space each")
	}
	if hasPrompt && !words(prompt) {
		v.addf("AuthParams prompt is not a list of values separated by one space each")
	}
	if prompts := strings.Fields(prompt); slices.Contains(prompts, "none") && (len(prompts) > 1 || hasAge && strings.Trim(age, "0") == "") {
		v.addf("AuthParams prompt none excludes other prompts and max_age 0")
	}
	if p.Kind == OAuth && (hasAge || hasClasses) {
		v.addf("AuthParams max_age and acr_values are for kind oidc: nothing in the answer of an OAuth server says that they were honored")
	}
}

// words reports whether s is a list of texts that need no escaping, separated by one space each.
func words(s string) bool {
	for word := range strings.SplitSeq(s, " ") {
		if !scopeToken(word) {
			return false
		}
	}
	return true
}

// isOneOf compares names as some servers do, without regard to case.
func isOneOf(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
