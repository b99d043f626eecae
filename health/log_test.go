package health

import (
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/status"
)

// A finding is logged at the level of its severity, with since when it is seen and why.
func TestLog(t *testing.T) {
	since := time.Date(2024, 9, 27, 12, 0, 0, 0, time.UTC)
	finding := func(severity string) status.Finding {
		return status.Finding{Name: "f", Severity: severity, Since: since, Summary: "Something is so.", Remedy: "Do it.", Evidence: []string{"a number"}}
	}
	for severity, level := range map[string]logrus.Level{
		status.SeverityCritical: logrus.ErrorLevel, status.SeverityWarning: logrus.WarnLevel, status.SeverityInfo: logrus.InfoLevel,
	} {
		log, lines := test.NewNullLogger()
		Report{Appeared: []status.Finding{finding(severity)}}.Log(log)
		line := lines.LastEntry()
		require.Equal(t, level, line.Level, severity)
		require.Equal(t, "Finding f: Something is so.", line.Message)
		require.Equal(t, logrus.Fields{"finding": "f", "since": "2024-09-27T12:00:00Z", "evidence": []string{"a number"}, "remedy": "Do it."}, line.Data)
	}
	log, lines := test.NewNullLogger()
	Report{Gone: []status.Finding{finding(status.SeverityCritical)}}.Log(log)
	require.Equal(t, logrus.InfoLevel, lines.LastEntry().Level)
	require.Equal(t, "Finding f is gone", lines.LastEntry().Message)
}
