package status

// HealOrder asks for a heal of a pair of the coordinated era.
type HealOrder struct {
	Name   string `json:"name"`             // such as "peers"
	DryRun bool   `json:"dryRun,omitempty"` // only show its proof and its calls
}

// Heal is a heal at present: what proves it and what it would call.
type Heal struct {
	Name    string     `json:"name"`
	On      bool       `json:"on"`                // its setting is on: it begins by itself
	Proved  bool       `json:"proved"`            // by the newest poll
	Why     string     `json:"why"`               // what proves it, or what is missing
	Tries   int        `json:"tries"`             // since the pair worked
	Calls   []HealCall `json:"calls"`             // in their order
	Refused string     `json:"refused,omitempty"` // why there are no calls
	Begun   bool       `json:"begun"`             // this order has begun it; the history has its end
}

// HealCall is one call of a heal: what is called and with which parameters. Method is that
// of gwat, or "run" and a program.
type HealCall struct {
	Method string `json:"method"`
	Params []any  `json:"params"`
}
