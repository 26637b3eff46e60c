package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/netscript/auth"
)

// session is one line in the list of a person's sessions.
type session struct {
	ID, Device string
	Current    bool
	Issued     moment
	Used       moment
	Expires    moment
}

func newSession(s *auth.Session, now time.Time, current bool) session {
	return session{
		ID: s.ID, Device: device(s.UserAgent), Current: current,
		Issued: moment{s.IssuedAt, now}, Used: moment{s.LastUsedAt, now}, Expires: moment{s.ExpiresAt, now},
	}
}

// moment is a time as seen from another.
type moment struct{ at, now time.Time }

// Words is the time as a person says it.
func (m moment) Words() string {
	switch d := m.at.Sub(m.now); {
	case m.at.IsZero():
		return "not known"
	case d <= -time.Minute:
		return span(-d) + " ago"
	case d < time.Minute:
		return "just now"
	default:
		return "in " + span(d)
	}
}

// Exact is the time to the second, in UTC: the server does not know where the person is.
func (m moment) Exact() string { return m.at.UTC().Format("2 Jan 2006, 15:04:05 UTC") }

// Machine is the time as the datetime attribute has it.
func (m moment) Machine() string { return m.at.UTC().Format(time.RFC3339) }

// span rounds a time of a minute or more to its largest unit.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	count := func(unit time.Duration, name string) string {
		if n := int(d.Round(unit) / unit); n != 1 {
			return fmt.Sprintf("%d %ss", n, name)
		}
		return "1 " + name
	}
	switch {
	case d.Round(time.Minute) < time.Hour:
		return count(time.Minute, "minute")
	case d.Round(time.Hour) < 2*day:
		return count(time.Hour, "hour")
	}
	return count(day, "day")
}

// device guesses browser and system from a User-Agent header. Whoever sends the header writes it: it is a help to
// recognise one's own devices, and proves nothing.
func device(userAgent string) string {
	browser := firstWord(userAgent, "Unknown browser", [][2]string{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"HeadlessChrome/", "Chromium"},
		{"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}, {"Go-http-client/", "Go program"},
	})
	system := firstWord(userAgent, "", [][2]string{
		{"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"}, {"Windows", "Windows"}, {"Linux", "Linux"},
	})
	if system == "" {
		return browser
	}
	return browser + " on " + system
}

// firstWord returns the name of the first mark that is in s.
func firstWord(s, otherwise string, marks [][2]string) string {
	for _, m := range marks {
		if strings.Contains(s, m[0]) {
			return m[1]
		}
	}
	return otherwise
}
