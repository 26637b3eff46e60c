package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/rueidis"

	"github.com/netscript/auth/store"
)

var (
	errTTL      = errors.New("redisstore: ttl must be greater than zero")
	errTooLarge = errors.New("redisstore: value is larger than 64 MiB")
	errClosed   = errors.New("redisstore: the store is closed")
	errReply    = errors.New("redisstore: the server's reply is of the wrong kind")
)

// explain returns the error of an operation that failed with err. ctx is the caller's.
//
// Of an error reply it keeps the first word only, because the rest of some names the arguments of the command.
func explain(ctx context.Context, op string, err error) error {
	var reply *rueidis.RedisError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("redisstore: %s: %w", op, ctx.Err())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("redisstore: %s: no answer in time: %w", op, context.DeadlineExceeded)
	case errors.Is(err, rueidis.ErrClosing) || errors.Is(err, errClosed):
		return errClosed
	case !errors.As(err, &reply):
		return fmt.Errorf("redisstore: %s: %w", op, err)
	case codeOf(reply) == "OOM":
		return fmt.Errorf("redisstore: %s: %w", op, store.ErrFull)
	}
	return fmt.Errorf("redisstore: %s: the server answered %s", op, codeOf(reply))
}

// codeOf returns the first word of an error reply, which is in capitals and says what kind of error it is.
func codeOf(reply *rueidis.RedisError) string {
	word, _, _ := strings.Cut(reply.Error(), " ")
	if word == "" || len(word) > 20 || strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return "ERR" // the client library takes this one away
	}
	return word
}
