package auth_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/netscript/auth"
)

// backend stands for one that a constructor such as kvoauth.NewKvOAuthBackend returns.
func backend() auth.AuthBackendPort { return working() }

func ExampleNewHandler() {
	handler, err := auth.NewHandler(backend(), auth.HandlerConfig{ErrorURL: "/login"})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle(handler.Pattern(), handler)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/auth/signin?providerId=one&returnTo=/orders", nil))
	fmt.Println(handler.Pattern())
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output:
	// /api/v1/auth/
	// 302 https://op.example/authorize?state=xyz
}

func ExampleRequireAuth() {
	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := auth.FromContext(r.Context())
		_, _ = fmt.Fprintf(w, "orders of %s", who.Principal.Subject)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /orders", auth.RequireAuth(backend())(auth.RequireScopes("orders:read")(orders)))
	mux.Handle("DELETE /orders", auth.RequireAuth(backend())(auth.RequireRoles("admin")(orders)))

	for _, method := range []string{"GET", "DELETE"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, "/orders", nil))
		fmt.Println(method, w.Code, w.Body)
	}
	// Output:
	// GET 200 orders of alice
	// DELETE 403 {"defined":true,"code":"FORBIDDEN","status":403,"message":"The request is not allowed.","data":{"reason":"insufficient_role"}}
}

// A browser that is nobody is sent to the sign-in and comes back to the page it wanted.
func ExampleGuard() {
	guard := auth.Guard{
		Authenticator: &fakeCore{authenticate: nobody},
		SignInPath:    "/api/v1/auth/signin",
	}
	page := guard.RequireAuth(http.NotFoundHandler())

	r := httptest.NewRequest("GET", "/orders?page=2", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 302 /api/v1/auth/signin?returnTo=%2Forders%3Fpage%3D2
}

// Rules guard a whole mux: what no rule mentions is refused.
func ExampleNewRules() {
	guard, err := auth.NewRules(backend(), []auth.Rule{
		{Path: "/api/v1/auth/", Allow: auth.AllowAnonymous},
		{Path: "/static/", Methods: []string{"GET"}, Allow: auth.AllowAnonymous},
		{Path: "/admin/", Roles: []string{"admin"}},
		{Path: "/orders/{id}", Methods: []string{"GET"}, Scopes: []string{"orders:read"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, path := range []string{"/static/app.css", "/orders/7", "/admin/users", "/Admin/users", "/admin%2Fusers", "/secret"} {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		fmt.Println(w.Code, path)
	}
	// Output:
	// 200 /static/app.css
	// 200 /orders/7
	// 403 /admin/users
	// 403 /Admin/users
	// 400 /admin%2Fusers
	// 403 /secret
}

func ExampleSlogObserver() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	salt, err := auth.ParseKey("MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY") // from the deployment's secrets
	if err != nil {
		fmt.Println(err)
		return
	}
	observer := auth.SlogObserver(log, salt)
	observer.Observe(context.Background(), auth.Event{Name: auth.EventSessionCreated, Backend: "kv-oauth", ProviderID: "github", Subject: auth.NewSecret("583231")})
	observer.Observe(context.Background(), auth.Event{Name: auth.EventSignInFailed, Backend: "kv-oauth", Code: auth.CodeAccessDenied})
	// Output:
	// level=INFO msg=auth.session.created backend=kv-oauth provider=github subject_hash=b7078892e871229d1ee35d91c1c370e5008016094825f9d8fae6f53fc275ed38
	// level=WARN msg=auth.signin.failed backend=kv-oauth code=access_denied
}

func ExampleSessionTokens() {
	tokens, err := auth.NewSessionTokens([]auth.Key{auth.GenerateKey()}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := tokens.SealSessionToken(auth.SessionToken{
		SessionID: "s1", Subject: "alice", Purpose: "download", ExpiresAt: time.Now().Add(time.Minute),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	opened, err := tokens.OpenSessionToken(token, "download")
	fmt.Println(opened.Subject, err)
	_, err = tokens.OpenSessionToken(token, "upload")
	fmt.Println(auth.CodeOf(err))
	// Output:
	// alice <nil>
	// token_invalid
}

// An optional port is found also behind a wrapper.
func ExampleAs() {
	b := backend()
	if sessions, ok := auth.As[auth.SessionAdminPort](b); ok {
		list, err := sessions.ListSessions(context.Background(), "alice")
		fmt.Println(len(list) > 0, err)
	}
	// Output: true <nil>
}
