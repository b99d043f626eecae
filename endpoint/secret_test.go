package endpoint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckSecretPathRefusesSecrets(t *testing.T) {
	digits := strings.Repeat("5ec2e7a1", 8)
	for name, text := range map[string]string{
		"64 digits":       digits,
		"with 0x":         "0x" + digits,
		"with 0X, upper":  "0X" + strings.ToUpper(digits),
		"one digit less":  digits[1:],
		"short":           "5ec2e7a1",
		"32 digits":       digits[:32],
		"128 digits":      digits + digits,
		"quotes":          `"` + digits + `"`,
		"single quotes":   "'0x" + digits + "'",
		"newline":         digits + "\n",
		"blanks":          "  " + digits + " ",
		"in groups":       digits[:32] + " " + digits[32:],
		"two lines":       digits[:32] + "\n" + digits[32:],
		"with colons":     "5e:c2:e7:a1:5e:c2:e7:a1",
		"not quite hex":   digits[:63] + "g",
		"base64":          "XsLnoV7C56FewuehXsLnoV7C56FewuehXsLnoV7C56E=",
		"base64 slashes":  "XsLn/V7C56Fewue+XsLnoV7C56FewuehXsLnoV7C56E=",
		"a comma":         digits + ",",
		"named":           "secret:" + digits,
		"hex:":            "hex:" + digits,
		"file://":         "file://" + digits,
		"an ending":       "0x" + digits + ".hex",
		"Bearer":          "Bearer eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjF9.c2ln",
		"a token":         "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjF9.c2ln",
		"PEM":             "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"PEM in one line": "-----BEGIN PRIVATE KEY----- AAAA -----END PRIVATE KEY-----",
	} {
		err := CheckSecretPath(text)
		require.ErrorIs(t, err, ErrSecretItself, name)
		require.NotContains(t, err.Error(), "5ec2")
		require.Equal(t, "***", MaskPath(text), name)
	}
}

func TestCheckSecretPathTakesPaths(t *testing.T) {
	for _, path := range []string{
		"", "jwt.hex", "./jwt", "/run/secrets/jwtsecret", "/var/lib/gwat/geth/jwtsecret", "secret", "../keys/api key.hex",
		"/a/very/long/path/below/which/a/secret/is/kept/for/syncd", "./deadbeef", "/var/lib/volumes/" + strings.Repeat("5ec2e7a1", 8) + "/_data/jwt.hex", "./" + strings.Repeat("5ec2e7a1", 8), "file:///run/jwt.hex",
		"secrets/production/gwat/jwtsecret", `C:\keys\jwt.hex`,
	} {
		require.NoError(t, CheckSecretPath(path), path)
		require.Equal(t, path, MaskPath(path))
	}
	named := filepath.Join(t.TempDir(), "x")
	t.Chdir(filepath.Dir(named))
	require.NoError(t, os.WriteFile("deadbeef", nil, 0o600))
	require.NoError(t, CheckSecretPath("deadbeef"), "a file that is there")
}
