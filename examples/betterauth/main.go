// Command betterauth is an API in Go beside a better-auth server in Node, with one database.
//
//	cd examples/betterauth
//	npm install
//	go run .
//
// With -redis redis://127.0.0.1:6379/0 both keep sessions in Redis. It starts server.mjs and passes /api/auth/ on to it, so that both are one origin. Everything else is decided here,
// without asking the server:
//
//	curl -c jar -H 'Origin: http://127.0.0.1:8080' --json '{"name":"Ada","email":"ada@example.com","password":"correct horse"}' \
//		http://127.0.0.1:8080/api/auth/sign-up/email
//	curl -b jar http://127.0.0.1:8080/orders
//	curl -b jar http://127.0.0.1:8080/api/v1/auth/me
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"github.com/netscript/auth"
	"github.com/netscript/auth/betterauth"
	"github.com/netscript/auth/store/redisstore"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "loopback address to listen on")
	file := flag.String("db", "auth.db", "SQLite file that both share")
	redis := flag.String("redis", "", "URL of a Redis for sessions; if empty, they are in the database")
	dir := flag.String("dir", ".", "directory of server.mjs and its node_modules")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *file, *dir, *redis); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr, file, dir, redis string) error {
	file, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	secondary, err := openSecondary(redis)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	origin := "http://" + listener.Addr().String()
	secret := os.Getenv("BETTER_AUTH_SECRET")
	if secret == "" {
		secret = auth.GenerateKey().Encode() // people are signed out when the program ends
	}
	node, err := startNode(ctx, dir, file, origin, secret, redis)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	h, err := newHandler(file, origin, auth.NewSecret(secret), node, secondary)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	log.Printf("answering at %s", origin)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// openSecondary returns the storage of a better-auth server that has redisStorage, or nil without a URL.
func openSecondary(rawURL string) (*betterauth.Secondary, error) {
	if rawURL == "" {
		return nil, nil
	}
	config, err := redisstore.ParseURL(rawURL)
	if err != nil {
		return nil, err
	}
	storage, err := redisstore.NewSecondary(config)
	if err != nil {
		return nil, err
	}
	return &betterauth.Secondary{Storage: storage, KeyPrefix: "better-auth:"}, nil
}

// startNode starts the better-auth server and returns its address. It ends with ctx, or with this program.
func startNode(ctx context.Context, dir, file, origin, secret, redis string) (string, error) {
	port, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "node", "server.mjs")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), "AUTH_DB="+file, "PORT="+strconv.Itoa(port), "BETTER_AUTH_URL="+origin, "BETTER_AUTH_SECRET="+secret, "AUTH_REDIS="+redis)
	if _, err := cmd.StdinPipe(); err != nil { // its end is how the server learns that this program is gone
		return "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		return "", fmt.Errorf("the better-auth server did not start (was npm install run?): %w", errors.Join(err, cmd.Wait()))
	}
	go func() { // Wait releases what the process holds when it ends
		_, _ = io.Copy(io.Discard, lines)
		_ = cmd.Wait()
	}()
	return fmt.Sprintf("127.0.0.1:%d", port), nil
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:errcheck // what a TCP listener has
	return port, l.Close()
}
