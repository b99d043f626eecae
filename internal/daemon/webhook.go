package daemon

import (
	"net/url"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/internal/watched"
	"github.com/gwatsync/syncd/internal/webhook"
	"github.com/gwatsync/syncd/settings"
	"github.com/gwatsync/syncd/status"
)

// newWebhook returns what posts messages about the findings; nil if the settings name no
// receiver.
func newWebhook(cfg *settings.Config, snapshot func() *status.Snapshot, log logrus.FieldLogger, r prometheus.Registerer) (*webhook.Webhook, error) {
	if cfg.Notify.URL == "" && cfg.Notify.URLFile == "" {
		return nil, nil
	}
	template, err := cfg.NotifyTemplate()
	if err != nil {
		return nil, err
	}
	var files []string
	if cfg.Notify.URLFile != "" {
		files = append(files, cfg.Notify.URLFile)
	}
	receiver, err := watched.New(cfg.NotifyURL, func(err error) {
		log.WithError(err).Warn("The changed file of --notify.url-file cannot be used; going on with the URL from before")
	}, files...)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: receiver.Get().Scheme, Host: receiver.Get().Host}
	hook := webhook.New(webhook.Config{
		URL: func() string { return receiver.Get().String() }, Name: name.String(), Template: template,
		Interval: cfg.PollInterval, Snapshot: snapshot, Log: log,
	})
	return hook, prometheus.WrapRegistererWith(prometheus.Labels{"pair": cfg.Pair}, r).Register(hook)
}
