package sqlstore

import (
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"

	"github.com/netscript/auth/store"
)

// known is what is stored about an account and its user.
type known struct {
	AccountRow    string  `gorm:"column:account_row"`
	AccountID     string  `gorm:"column:account_id"`
	ProviderID    string  `gorm:"column:provider_id"`
	UserID        string  `gorm:"column:user_id"`
	Name          string  `gorm:"column:name"`
	Email         *string `gorm:"column:email"`
	EmailVerified bool    `gorm:"column:email_verified"`
	Image         *string `gorm:"column:image"`
}

func (k known) user() User {
	return User{ID: k.UserID, Name: k.Name, Email: k.Email, EmailVerified: k.EmailVerified, Image: k.Image}
}

// find returns the account with its user. What comes back is compared once more: if the table's collation is not ours, it
// may be another's.
func (s *signIn) find() (known, bool, error) {
	var rows []known
	err := s.db.Table("auth_accounts AS a").
		Select("a.id AS account_row, a.account_id, a.provider_id, a.user_id, u.name, u.email, u.email_verified, u.image").
		Joins("JOIN auth_users AS u ON u.id = a.user_id").
		Where("a.provider_id = ? AND a.account_id = ?", s.providerID, s.accountID).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return known{}, false, err
	}
	if len(rows) > 1 || rows[0].ProviderID != s.providerID || rows[0].AccountID != s.accountID {
		return known{}, false, errOtherID
	}
	return rows[0], true, nil
}

// exists reports whether the account is there, with or without its user.
func (s *signIn) exists() (bool, error) {
	var n int64
	err := s.db.Model(&Account{}).Where("provider_id = ? AND account_id = ?", s.providerID, s.accountID).Count(&n).Error
	return n > 0, err
}

func (s *signIn) user(id string) (User, bool, error) {
	var rows []User
	err := s.db.Model(&User{}).Select("id", "name", "email", "email_verified", "image").Where("id = ?", id).Find(&rows).Error
	if err != nil || len(rows) == 0 || rows[0].ID != id {
		return User{}, false, err
	}
	return rows[0], true, nil
}

// row is a new row for the account.
func (s *signIn) row(userID string) *Account {
	return &Account{
		ID: rand.Text(), AccountID: s.accountID, ProviderID: s.providerID, UserID: userID,
		AccessToken: textOrNil(s.a.AccessToken), RefreshToken: textOrNil(s.a.RefreshToken), IDToken: textOrNil(s.a.IDToken),
		AccessTokenExpiresAt: timeOrNil(s.a.AccessTokenExpiresAt), Scope: textOrNil(s.a.Scope),
		CreatedAt: s.now, UpdatedAt: s.now,
	}
}

// noteTokens replaces the account's tokens. That no row was affected means that it is gone, except on MySQL, which does not
// count a row to which nothing new was said.
func (s *signIn) noteTokens(k known) error {
	row := s.row(k.UserID)
	columns := []string{"AccessToken", "IDToken", "AccessTokenExpiresAt", "Scope", "UpdatedAt"}
	if row.RefreshToken != nil {
		columns = append(columns, "RefreshToken")
	}
	result := s.db.Model(&Account{}).Where("id = ? AND user_id = ?", k.AccountRow, k.UserID).Select(columns).UpdateColumns(row)
	if result.Error != nil || result.RowsAffected > 0 {
		return result.Error
	}
	now, found, err := s.find()
	if err == nil && (!found || now.AccountRow != k.AccountRow || now.UserID != k.UserID) {
		return errChanged
	}
	return err
}

// says returns what to change of a user because the account says so.
func (s *signIn) says(user User) map[string]any {
	changes := make(map[string]any)
	if s.a.Name != "" && s.a.Name != user.Name {
		changes["name"] = s.a.Name
	}
	if s.a.Image != "" && (user.Image == nil || s.a.Image != *user.Image) {
		changes["image"] = s.a.Image
	}
	return changes
}

// fillsIn returns what to add to a user because only the account knows it. Another call may add it first, so the statement
// looks once more.
func (s *signIn) fillsIn(user User) map[string]any {
	changes := make(map[string]any)
	if s.a.Name != "" && user.Name == "" {
		changes["name"] = gorm.Expr("CASE WHEN name = '' THEN ? ELSE name END", s.a.Name)
	}
	if s.a.Image != "" && user.Image == nil {
		changes["image"] = gorm.Expr("COALESCE(image, ?)", s.a.Image)
	}
	return changes
}

// noteProfile tells the user what the account says.
func (s *signIn) noteProfile(user User) error {
	if err := s.change(user, s.says(user)); err != nil {
		return err
	}
	return s.noteEmail(user, s.update)
}

// fillIn tells the user what only the account knows.
func (s *signIn) fillIn(user User) error {
	if err := s.change(user, s.fillsIn(user)); err != nil || user.Email != nil {
		return err
	}
	return s.noteEmail(user, func(userID string) *gorm.DB { return s.update(userID).Where("email IS NULL") })
}

func (s *signIn) change(user User, changes map[string]any) error {
	if len(changes) == 0 {
		return nil
	}
	changes["updated_at"] = s.now
	return s.update(user.ID).UpdateColumns(changes).Error
}

func (s *signIn) update(userID string) *gorm.DB { return s.db.Model(&User{}).Where("id = ?", userID) }

// noteEmail gives the user the address that the account tells, if nobody else has a better claim to it. An address is
// worth no failure: the sign-in goes on without. What is verified stays so, whatever an account says that does not vouch for
// its address; as another call may verify one after user was read, the statement has the condition as well.
func (s *signIn) noteEmail(user User, update func(userID string) *gorm.DB) error {
	email, verified := s.a.Email, s.a.EmailVerified
	same := user.Email != nil && *user.Email == email
	if email == "" || user.EmailVerified && !verified || same && user.EmailVerified == verified {
		return nil
	}
	claim := func() error {
		row := update(user.ID)
		if !verified {
			row = row.Where("email_verified = ?", false)
		}
		return row.UpdateColumns(map[string]any{"email": email, "email_verified": verified, "updated_at": s.now}).Error
	}
	err := claim()
	if !isDuplicate(err) {
		return err
	}
	if !verified {
		return nil
	}
	taken := s.db.Model(&User{}).Where("email = ? AND email_verified = ? AND id <> ?", email, false, user.ID).
		UpdateColumns(map[string]any{"email": gorm.Expr("NULL"), "updated_at": s.now})
	if taken.Error != nil || taken.RowsAffected == 0 {
		return taken.Error
	}
	if err := claim(); !isDuplicate(err) {
		return err
	}
	return nil // somebody else was quicker
}

// cleaned returns a with what every engine can store. Names and pictures are whatever a provider's users make of them.
func cleaned(a store.Account) store.Account {
	a.Name = cut(plain(a.Name), 255)
	a.Image = plain(a.Image)
	a.Scope = plain(a.Scope)
	if len(a.Image) > 2048 {
		a.Image = ""
	}
	a.Email = address(a.Email)
	return a
}

// address returns an e-mail address as it is stored, or "" for what is none.
func address(email string) string {
	isBlank := func(r rune) bool { return r <= ' ' || r == 0x7F }
	if !utf8.ValidString(email) || len(email) > 320 || strings.ContainsFunc(email, isBlank) {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, email)
}

// plain removes what PostgreSQL cannot store in a text.
func plain(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}

// cut shortens text to what SQL Server counts as size characters: units of UTF-16. No other engine counts more.
func cut(text string, size int) string {
	for i, r := range text {
		if size--; r > 0xFFFF {
			size--
		}
		if size < 0 {
			return text[:i]
		}
	}
	return text
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
