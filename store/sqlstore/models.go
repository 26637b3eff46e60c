package sqlstore

import "time"

// User is a row of auth_users: one person.
type User struct {
	ID   string `gorm:"column:id;primaryKey;size:191"`
	Name string `gorm:"column:name;size:255;not null"` // empty when no provider has told
	// Email is unique and nil when there is none, or when another user has it: see [Users].
	Email         *string   `gorm:"column:email;size:320"`
	EmailVerified bool      `gorm:"column:email_verified;not null"`
	Image         *string   `gorm:"column:image"`
	CreatedAt     time.Time `gorm:"column:created_at;not null;autoCreateTime:false"`
	UpdatedAt     time.Time `gorm:"column:updated_at;not null;autoUpdateTime:false"`
}

// Session is a row of auth_sessions, for applications that keep sessions in SQL themselves. Sessions of kvoauth are in its
// [store.KV] and not here.
type Session struct {
	ID        string    `gorm:"column:id;primaryKey;size:191"`
	ExpiresAt time.Time `gorm:"column:expires_at;not null"`
	Token     string    `gorm:"column:token;size:191;not null"` // unique
	CreatedAt time.Time `gorm:"column:created_at;not null;autoCreateTime:false"`
	UpdatedAt time.Time `gorm:"column:updated_at;not null;autoUpdateTime:false"`
	IPAddress *string   `gorm:"column:ip_address;size:255"`
	UserAgent *string   `gorm:"column:user_agent"`
	UserID    string    `gorm:"column:user_id;size:191;not null"` // of a User, with which it is deleted
}

// Account is a row of auth_accounts: an account at an identity provider, linked to a user. ProviderID and AccountID
// together are unique.
type Account struct {
	ID string `gorm:"column:id;primaryKey;size:191"`
	// AccountID is the provider's subject, or a digest of it: see [Users].
	AccountID  string `gorm:"column:account_id;size:191;not null"`
	ProviderID string `gorm:"column:provider_id;size:191;not null"`
	UserID     string `gorm:"column:user_id;size:191;not null"` // of a User, with which it is deleted
	// AccessToken, RefreshToken and IDToken are sealed by whoever wrote them. Nil means none.
	AccessToken           *string    `gorm:"column:access_token"`
	RefreshToken          *string    `gorm:"column:refresh_token"`
	IDToken               *string    `gorm:"column:id_token"`
	AccessTokenExpiresAt  *time.Time `gorm:"column:access_token_expires_at"`
	RefreshTokenExpiresAt *time.Time `gorm:"column:refresh_token_expires_at"`
	Scope                 *string    `gorm:"column:scope"`
	Password              *string    `gorm:"column:password"` // never set by this package
	CreatedAt             time.Time  `gorm:"column:created_at;not null;autoCreateTime:false"`
	UpdatedAt             time.Time  `gorm:"column:updated_at;not null;autoUpdateTime:false"`
}

// Verification is a row of auth_verifications, for applications that send codes by e-mail. This package writes none.
type Verification struct {
	ID         string    `gorm:"column:id;primaryKey;size:191"`
	Identifier string    `gorm:"column:identifier;size:512;not null"`
	Value      string    `gorm:"column:value;not null"`
	ExpiresAt  time.Time `gorm:"column:expires_at;not null"`
	CreatedAt  time.Time `gorm:"column:created_at;not null;autoCreateTime:false"`
	UpdatedAt  time.Time `gorm:"column:updated_at;not null;autoUpdateTime:false"`
}

// TableName implements gorm's Tabler.
func (User) TableName() string { return "auth_users" }

// TableName implements gorm's Tabler.
func (Session) TableName() string { return "auth_sessions" }

// TableName implements gorm's Tabler.
func (Account) TableName() string { return "auth_accounts" }

// TableName implements gorm's Tabler.
func (Verification) TableName() string { return "auth_verifications" }
