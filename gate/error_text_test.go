package gate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// gwat reports an error in two forms: as a text within a result, and as the object of
// JSON-RPC. What is neither is shown as it came; null is no error.
func TestTextOfAnError(t *testing.T) {
	for raw, want := range map[string]string{
		``:                                 "",
		`null`:                             "",
		" null\n":                          "",
		`"synchronization"`:                "synchronization",
		`{"code":-32000,"message":"busy"}`: "busy",
		`{"code":-32000}`:                  `{"code":-32000}`,
		`{"code":-32000,"message":""}`:     `{"code":-32000,"message":""}`,
		`""`:                               `""`,
		`7`:                                `7`,
		`["a"]`:                            `["a"]`,
		`{"message":"no code, as some nodes do"}`: "no code, as some nodes do",
	} {
		require.Equal(t, want, errorText([]byte(raw)), raw)
	}
	long := errorText([]byte(`"` + strings.Repeat("x", 1<<20) + `"`))
	require.Less(t, len(long), 1<<10)
	require.True(t, strings.HasPrefix(long, "xxx"))
}
