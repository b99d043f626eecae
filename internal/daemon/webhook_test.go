package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/status"
)

func TestAWebhookIsThereIfTheSettingsNameOne(t *testing.T) {
	file := filepath.Join(t.TempDir(), "url")
	snapshot := func() *status.Snapshot { return nil }
	var cfg settings.Config
	hook, err := newWebhook(&cfg, snapshot, logrus.New(), prometheus.NewRegistry())
	require.NoError(t, err)
	require.Nil(t, hook)
	cfg.Notify.URLFile = file
	_, err = newWebhook(&cfg, snapshot, logrus.New(), prometheus.NewRegistry())
	require.ErrorIs(t, err, settings.ErrNotYet)
	require.NoError(t, os.WriteFile(file, []byte("https://user:hunter2@hooks.example/s3cr3t"), 0o600))
	hook, err = newWebhook(&cfg, snapshot, logrus.New(), prometheus.NewRegistry())
	require.NoError(t, err)
	require.NotNil(t, hook)
	cfg.Notify.URLFile, cfg.Notify.URL = "", "https://hooks.example"
	hook, err = newWebhook(&cfg, snapshot, logrus.New(), prometheus.NewRegistry())
	require.NoError(t, err)
	require.NotNil(t, hook)
}
