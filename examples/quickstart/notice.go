package main

import (
	"net/url"

	"github.com/netscript/auth"
)

// notice tells the person what has just happened.
type notice struct {
	Bad         bool
	Title, Text string
	Code        auth.Code // if empty, there is none to show
}

// noticeOf reads what brought the browser here: the handler's ?error=code, or the ?done= that our own forms ask for.
// Anybody can make such a link, so nothing of it is shown but texts of ours.
func noticeOf(query url.Values, signedIn bool) *notice {
	if code := query.Get("error"); code != "" {
		return failed(auth.Code(code))
	}
	switch done := query.Get("done"); {
	case done == "signed-out" && !signedIn:
		return &notice{Title: "You are signed out", Text: "This browser has no session any more."}
	case done == "signed-out-everywhere" && !signedIn:
		return &notice{Title: "You are signed out everywhere", Text: "The sessions of all your browsers have ended."}
	case done == "session-ended" && signedIn:
		return &notice{Title: "The session has ended", Text: "That browser has to sign in again."}
	}
	return nil
}

// failed puts a code of the auth package into words. The codes are API; a new one gets the last text.
func failed(code auth.Code) *notice {
	n := &notice{Bad: true, Code: code}
	switch code {
	case auth.CodeAccessDenied:
		n.Title, n.Text = "The sign-in was cancelled", "You, or the provider, said no. Nothing was shared with this application."
	case auth.CodeSignInDenied:
		n.Title, n.Text = "You cannot sign in here", "The provider knows you, but this application does not let this account in. Another account may work."
	case auth.CodeLoginRequired:
		n.Title, n.Text = "The provider has to ask you something", "Start the sign-in again and answer what it asks."
	case auth.CodeTransactionMissing:
		n.Title, n.Text = "This sign-in cannot be finished", "It was started long ago or in another browser, or cookies are blocked. Start again here."
	case auth.CodeTransactionInvalid:
		n.Title, n.Text = "The sign-in took too long", "It has expired, or was finished already. Nothing was lost: start again."
	case auth.CodeReturnURLRejected:
		n.Title, n.Text = "The link leads elsewhere", "It asked to go on to an address that is not of this site, so no sign-in was started."
	case auth.CodeProviderUnavailable, auth.CodeProviderInvalid:
		n.Title, n.Text = "The provider does not answer", "Try again in a little while, or use another one."
	case auth.CodeStoreUnavailable, auth.CodeStoreFull, auth.CodeInternal:
		n.Title, n.Text = "That is not available at the moment", "It is not your fault. Try again in a little while."
	case auth.CodeNoCredential, auth.CodeSessionNotFound, auth.CodeSessionExpired, auth.CodeSessionRevoked:
		n.Title, n.Text = "Your session had ended already", "There was nothing left to sign out of."
	case auth.CodeForbidden, auth.CodeCrossOrigin:
		n.Title, n.Text = "That is not allowed", "Nothing was changed."
	case auth.CodeUnknownProvider:
		n.Title, n.Text = "There is no such provider", "Choose one of those below."
	default:
		n.Title, n.Text, n.Code = "That did not work", "Nobody was signed in or out. Start again.", ""
	}
	return n
}
