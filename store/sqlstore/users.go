package sqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/netscript/auth/store"
)

// UsersConfig configures [Users]. The zero value is ready to use.
type UsersConfig struct {
	// Timeout bounds each call, the wait for a free connection included. A context with an earlier deadline wins. If zero,
	// DefaultTimeout is used.
	Timeout time.Duration
}

// Users is a [store.UserStore] in the tables auth_users and auth_accounts, which [Migrate] makes.
//
// Accounts. An account is found by provider id and subject, compared byte by byte. A subject that is longer than 191 bytes
// or not printable ASCII is stored as "sha256:" and the digest of it in hex, because engines differ in what they take for
// equal text; so is a provider id. An account's tokens are those of its last sign-in, except that a sign-in which brings no
// refresh token leaves the one there is: many providers give it once only.
//
// Profiles. A sign-in writes the name and picture that the provider tells to the user; linking an account fills in what is
// not known yet. Texts that are too long for their column are cut.
//
// E-mail. An address belongs to one user at most and is stored with ASCII letters in lower case. It neither finds a user
// nor keeps anybody from signing in: when another user has the address, this user's stays as it is, at first NULL. One
// exception: an address that a provider has verified is taken from a user for whom nobody has, so that who registers with
// somebody else's address does not keep it from them. What is verified stays so: an account whose provider does not vouch for
// its address neither replaces a verified one nor makes it unverified.
//
// Users is safe for concurrent use, also by several processes. Errors of the database are of type *[Error] and contain no
// data; gorm's logger is off for its statements. There is nothing to close: connections belong to the gorm.DB.
type Users struct {
	db      *gorm.DB
	conns   *sql.DB
	engine  engine
	timeout time.Duration
}

var _ store.UserStore = (*Users)(nil)

// NewUsers returns the users in db, which the caller keeps owning. It sends nothing to the database.
func NewUsers(db *gorm.DB, cfg UsersConfig) (*Users, error) {
	e, conns, err := engineOf(db)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout < 0 {
		return nil, errNegativeTimeout
	}
	// Explicit transactions only, and no log: gorm's prints the values of the statements that fail.
	quiet := db.Session(&gorm.Session{NewDB: true, Logger: logger.Discard, SkipDefaultTransaction: true}).
		Set(fromPrimary, struct{}{}).Session(&gorm.Session{})
	return &Users{db: quiet, conns: conns, engine: e, timeout: cmp.Or(cfg.Timeout, DefaultTimeout)}, nil
}

// fromPrimary is the setting that keeps gorm's dbresolver from sending a statement to a replica, where an account that was
// made a moment ago may be missing. It is what dbresolver.Write sets.
const fromPrimary = "gorm:db_resolver:write"

var (
	errOrphan = errors.New("the account belongs to a user that does not exist")
	errBusy   = errors.New("the account changes all the time")
)

// SignIn implements [store.UserStore].
func (u *Users) SignIn(ctx context.Context, a store.Account) (userID string, err error) {
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	s, err := u.begin(ctx, a)
	if err != nil {
		return "", err
	}
	if userID, err = s.untilSettled(s.signIn); err != nil {
		return "", wrap(ctx, u.conns, u.engine, "sign in", Account{}.TableName(), err)
	}
	return userID, nil
}

// Link implements [store.UserStore]. It refuses the accounts of other users whether or not their e-mail addresses are the same.
func (u *Users) Link(ctx context.Context, userID string, a store.Account) (linked bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	s, err := u.begin(ctx, a)
	if err != nil {
		return false, err
	}
	owner, err := s.untilSettled(func() (string, error) { return s.link(userID) })
	return err == nil && owner == userID && userID != "", wrap(ctx, u.conns, u.engine, "link", Account{}.TableName(), err)
}

// signIn is one call of SignIn or Link.
type signIn struct {
	db                    *gorm.DB // with the context of the call
	a                     store.Account
	providerID, accountID string // as they are stored
	now                   time.Time
}

// begin prepares a call of SignIn or Link.
func (u *Users) begin(ctx context.Context, a store.Account) (*signIn, error) {
	if a.ProviderID == "" || a.AccountID == "" {
		return nil, errors.New("sqlstore: an account has a ProviderID and an AccountID")
	}
	return &signIn{
		db: u.db.WithContext(ctx), a: cleaned(a), providerID: columnID(a.ProviderID), accountID: columnID(a.AccountID),
		now: time.Now().UTC().Truncate(time.Millisecond),
	}, nil
}

// maxAttempts bounds how often somebody else may change the same account while a call looks at it.
const maxAttempts = 10

// errChanged is returned by a step that found something other than the step before it did.
var errChanged = errors.New("changed meanwhile")

// untilSettled repeats a step whose transaction lost against another one of the same account, or was rolled back.
func (s *signIn) untilSettled(step func() (string, error)) (string, error) {
	for round, changed := 0, 0; changed < maxAttempts; round++ {
		owner, err := step()
		switch {
		case errors.Is(err, errChanged):
			changed++
		case !isRolledBack(err):
			return owner, err
		}
		if !pause(s.db.Statement.Context, round) {
			return "", err
		}
	}
	if linked, err := s.exists(); err == nil && linked {
		return "", errOrphan // and so neither found with its user nor made anew
	}
	return "", errBusy
}

func (s *signIn) signIn() (string, error) {
	k, found, err := s.find()
	if err != nil {
		return "", err
	}
	if !found {
		return s.create()
	}
	if err := s.noteTokens(k); err != nil {
		return "", err
	}
	return k.UserID, s.noteProfile(k.user())
}

// create makes a user with this account, both or neither.
func (s *signIn) create() (string, error) {
	user := User{ID: rand.Text(), Name: s.a.Name, Image: textOrNil(s.a.Image), CreatedAt: s.now, UpdatedAt: s.now}
	err := s.db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(&user).Error; err != nil {
			return err
		}
		return tx.Create(s.row(user.ID)).Error
	})
	if isDuplicate(err) {
		return "", errChanged // by another first sign-in of this account
	}
	if err != nil {
		return "", err
	}
	return user.ID, s.noteEmail(user, s.update)
}

// link returns the user that the account belongs to afterwards, and "" when userID is nobody.
func (s *signIn) link(userID string) (string, error) {
	k, found, err := s.find()
	if err != nil || found && k.UserID != userID {
		return k.UserID, err
	}
	if found {
		if err := s.noteTokens(k); err != nil {
			return "", err
		}
		return userID, s.fillIn(k.user())
	}
	user, found, err := s.user(userID)
	if err != nil || !found {
		return "", err
	}
	if err := s.db.Create(s.row(userID)).Error; isForeignKey(err) {
		return "", nil // deleted at this moment
	} else if isDuplicate(err) {
		return "", errChanged
	} else if err != nil {
		return "", err
	}
	return userID, s.fillIn(user)
}

// columnID returns how an id of a provider is stored.
func columnID(id string) string {
	const prefix, size = "sha256:", 191
	odd := strings.IndexFunc(id, func(r rune) bool { return r < '!' || r > '~' }) >= 0
	if odd || len(id) > size || strings.HasPrefix(id, prefix) {
		digest := sha256.Sum256([]byte(id))
		return prefix + hex.EncodeToString(digest[:])
	}
	return id
}
