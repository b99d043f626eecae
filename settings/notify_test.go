package settings

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNotifySettings(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	good := file("url", "https://user:hunter2@hooks.example/T0/s3cr3t\n")
	for name, tc := range map[string]struct {
		url, file, template string
		want                string // of the error; "" if there is none
		notYet              bool
	}{
		"none":                  {},
		"a URL":                 {url: "https://hooks.example/x"},
		"a file":                {file: good},
		"a template":            {url: "https://hooks.example/x", template: file("t", `{"text": {{json .Finding.Summary}}}`)},
		"both":                  {url: "https://hooks.example/x", file: good, want: "leave one out"},
		"credentials":           {url: "https://user:hunter2@hooks.example/x", want: "--notify.url-file"},
		"a query":               {url: "https://hooks.example/x?token=hunter2", want: "--notify.url-file"},
		"no URL":                {url: "hooks.example", want: "https://host/path"},
		"another scheme":        {url: "ftp://hooks.example", want: "https://host/path"},
		"a file that is away":   {file: filepath.Join(dir, "away"), want: "no such file", notYet: true},
		"an empty file":         {file: file("empty", " \n"), want: "is empty", notYet: true},
		"a file of another use": {file: file("other", "hunter2"), want: "https://host/path"},
		"a template that fails": {url: "https://hooks.example/x", template: file("bad", "{{.Nothing}}"), want: "--notify.template"},
		"a template that is away": {url: "https://hooks.example/x", template: filepath.Join(dir, "away"), want: "no such file",
			notYet: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{}
			c.Notify.URL, c.Notify.URLFile, c.Notify.Template = tc.url, tc.file, tc.template
			err := c.checkNotify()
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, err.Error(), "hunter2")
			require.Equal(t, tc.notYet, errors.Is(err, ErrNotYet))
		})
	}
	c := Config{}
	c.Notify.URLFile = good
	u, err := c.NotifyURL()
	require.NoError(t, err)
	require.Equal(t, "hooks.example", u.Host)
}
