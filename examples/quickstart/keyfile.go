package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/netscript/auth"
)

// readOrMakeKey reads the key in the file at path, and makes one if there is no file. It returns the path too, since an
// empty one means the usual place.
//
// A file is for one machine and one person. Where several instances share a store, or a disk is not to be trusted, the
// key comes from a secret manager, by way of auth.ParseKey.
func readOrMakeKey(path string) (auth.Key, string, error) {
	if path == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return auth.Key{}, "", err
		}
		path = filepath.Join(dir, "netscript-auth", "quickstart.key")
	}
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return auth.Key{}, "", err
		}
		key, err = readKey(path)
	}
	return key, path, err
}

// readKey refuses a file that others of this machine may read, and one without a key: to make a new key in its place
// would end all sessions, and might destroy something else.
func readKey(path string) (auth.Key, error) {
	f, err := os.Open(path) //nolint:gosec // who starts the program says which file
	if err != nil {
		return auth.Key{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return auth.Key{}, err
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // Windows has no such bits
		return auth.Key{}, fmt.Errorf("%s: others may read or change it: chmod 600, or remove it for a new key", path)
	}
	const longest = 100 // of a key with a line break
	text, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return auth.Key{}, err
	}
	key, err := auth.ParseKey(strings.TrimSpace(string(text)))
	if err != nil {
		return auth.Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// makeKey writes a new key to path, complete or not at all, and never over another: when two instances start at once,
// the file of one of them is the key of both.
func makeKey(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // for nobody else's eyes: mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = io.WriteString(f, auth.GenerateKey().Encode()+"\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
