package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var static embed.FS

// policy lets the page load its own files and ask its own address, nothing
// else. Trusted types without a policy make every way from text to HTML an error.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// help is for those who ask without a browser.
const help = `This is syncd. A browser shows its page here; for programs:
syncd status, GET /readyz, GET /metrics, and JSON-RPC by POST to this address, such as
curl -s http://HOST:PORT/ -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"syncd_status"}'
`

// types of the files, which do not depend on what the machine knows of types.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

type file struct {
	name string // its path in the URL
	body []byte
	etag string
}

// Handler serves GET and HEAD of / and of /assets/…; anything else is not found.
// A client that does not take HTML gets a few lines of text at /.
func Handler() http.Handler {
	files := map[string]file{}
	err := fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := static.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		url := strings.TrimPrefix(name, "static")
		if url == "/index.html" {
			url = "/"
		}
		files[url] = file{name: name, body: body, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	if err != nil {
		panic("page: the files in the binary cannot be read: " + err.Error()) // the build is broken
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := files[r.URL.Path]
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "The page is only read.", http.StatusMethodNotAllowed)
			return
		case !ok:
			http.Error(w, "The page has no such file.", http.StatusNotFound)
			return
		}
		serve(w, r, f)
	})
}

func serve(w http.ResponseWriter, r *http.Request, f file) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-cache") // asked again each time, sent only if it changed
	header.Set("Content-Security-Policy", policy)
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.URL.Path == "/" {
		header.Set("Vary", "Accept")
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			header.Set("Content-Type", "text/plain; charset=utf-8")
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(help))
			return
		}
	}
	header.Set("Content-Type", types[path.Ext(f.name)])
	header.Set("ETag", f.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
