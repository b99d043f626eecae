package operator

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/gwatsync/syncd/apiclient"
	"github.com/gwatsync/syncd/endpoint"
	"github.com/gwatsync/syncd/gwatclient"
	"github.com/gwatsync/syncd/internal/exit"
)

// Token returns a token for the calls that change something. Its error has an exit code.
func (w Where) Token() (string, error) {
	path := w.Secret
	if path == "" && w.Settings != nil {
		path = w.Settings.API.JWTSecret
	}
	if path == "" {
		return "", exit.Errorf(exit.Usage, "--jwt-secret is needed: no configuration file names one that this user can read; syncd token --new FILE makes one")
	}
	secret, err := loadSecret(path)
	if err != nil {
		return "", err
	}
	return apiclient.Token(secret)
}

// PrintToken writes a token; if fresh names a file, of a new secret that is written there.
// Its error has an exit code.
func (w Where) PrintToken(out io.Writer, fresh string) error {
	if fresh != "" {
		if err := NewSecret(fresh); err != nil {
			return err
		}
		w.Secret = fresh
	}
	token, err := w.Token()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, token)
	return err
}

func loadSecret(path string) ([]byte, error) {
	if err := endpoint.CheckSecretPath(path); err != nil {
		return nil, exit.Errorf(exit.Usage, "--jwt-secret %w", err)
	}
	secret, err := gwatclient.LoadJWTSecret(path)
	if err != nil {
		return nil, exit.Errorf(exit.Usage, "--jwt-secret: %w; name the file that syncd was started with", err)
	}
	return secret, nil
}

// secretSize is that of the secret of a JWT, in bytes.
const secretSize = 32

// NewSecret writes a fresh secret for api.jwt-secret into a file that only this user can
// read. A file that is there stays as it is. Its error has an exit code.
func NewSecret(path string) (err error) {
	if err := endpoint.CheckSecretPath(path); err != nil {
		return exit.Errorf(exit.Usage, "--new %w", err)
	}
	secret := make([]byte, secretSize)
	_, _ = rand.Read(secret) // it never fails
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return exit.Errorf(exit.Usage, "--new: %w; a syncd may be using it: name another file, or remove this one", err)
	}
	if err != nil {
		return exit.Errorf(exit.Usage, "--new: %w; name a file in a directory that this user can write", err)
	}
	_, err = file.WriteString(hex.EncodeToString(secret) + "\n")
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
