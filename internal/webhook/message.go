package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"text/template"
	"time"

	"github.com/gwatsync/syncd/status"
)

// Message is what is sent, and what a template is given.
type Message struct {
	Status  string         `json:"status"` // Firing or Resolved
	Pair    string         `json:"pair"`
	Verdict string         `json:"verdict"`
	Stage   string         `json:"stage"`
	At      time.Time      `json:"at"`
	Finding status.Finding `json:"finding"`
	Runbook string         `json:"runbook"` // the finding's chapter
}

// The values of Message.Status.
const (
	Firing   = "firing"
	Resolved = "resolved"
)

const runbooks = "https://github.com/gwatsync/syncd/blob/main/docs/operating.md#"

func newMessage(state string, s *status.Snapshot, f status.Finding) Message {
	return Message{Status: state, Pair: s.Pair, Verdict: s.Verdict, Stage: s.Stage, At: s.At, Finding: f, Runbook: runbooks + f.Name}
}

// Template makes the body of a message.
type Template struct{ parsed *template.Template }

// ParseTemplate parses a text/template over Message; its function json writes a value as
// JSON. An empty text is the message itself as JSON. The template is tried on a message,
// so that one that names what is not there is refused.
func ParseTemplate(text string) (Template, error) {
	if text == "" {
		text = "{{json .}}"
	}
	parsed, err := template.New("notify").Option("missingkey=error").Funcs(template.FuncMap{"json": toJSON}).Parse(text)
	if err != nil {
		return Template{}, fmt.Errorf("parse the template: %w", err)
	}
	t := Template{parsed}
	if _, err := t.body(Message{Status: Firing, Finding: status.Finding{Name: "example", Evidence: []string{"example"}}}); err != nil {
		return Template{}, err
	}
	return t, nil
}

func toJSON(v any) (string, error) {
	raw, err := json.Marshal(v)
	return string(raw), err
}

func (t Template) body(m Message) ([]byte, error) {
	var out bytes.Buffer
	if err := t.parsed.Execute(&out, m); err != nil {
		return nil, fmt.Errorf("execute the template: %w", err)
	}
	return out.Bytes(), nil
}

// contentType is that of JSON for a body that is JSON, whatever made it.
func contentType(body []byte) string {
	if json.Valid(body) {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}
