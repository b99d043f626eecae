package health

import (
	"time"

	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/status"
)

// Log writes a line for each finding that appeared, at the level of its severity, and
// for each that is gone.
func (r Report) Log(log logrus.FieldLogger) {
	for _, f := range r.Appeared {
		log.WithFields(fields(f)).WithField("remedy", f.Remedy).Logf(levelOf(f.Severity), "Finding %s: %s", f.Name, f.Summary)
	}
	for _, f := range r.Gone {
		log.WithFields(fields(f)).Infof("Finding %s is gone", f.Name)
	}
}

func fields(f status.Finding) logrus.Fields {
	return logrus.Fields{"finding": f.Name, "since": f.Since.UTC().Format(time.RFC3339), "evidence": f.Evidence}
}

func levelOf(severity string) logrus.Level {
	switch severity {
	case status.SeverityCritical:
		return logrus.ErrorLevel
	case status.SeverityWarning:
		return logrus.WarnLevel
	}
	return logrus.InfoLevel
}
