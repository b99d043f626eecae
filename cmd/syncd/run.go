package main

import (
	"context"
	"path/filepath"

	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v3"

	"github.com/gwatsync/syncd/journal"
)

func runCommand(con console) *cli.Command {
	return &cli.Command{
		Name:  "run",
		Usage: "drive a pair until stopped; a node that is down is waited for",
		Flags: flagsOf(nil),
		Action: noArguments(func(ctx context.Context, cmd *cli.Command) error {
			cfg, err := load(cmd, con, nil)
			if err != nil {
				return err
			}
			if err := cfg.Check(); err != nil {
				return err
			}
			return run(ctx, cfg, con)
		}),
	}
}

func run(ctx context.Context, cfg *Config, con console) (err error) {
	log, err := cfg.newLog(con)
	if err != nil {
		return err
	}
	for _, warning := range cfg.warnings() {
		log.Warn(warning)
	}
	j, err := openJournal(cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := j.Close(); closeErr != nil && err == nil {
			err = closeErr
		}
	}()
	d, err := newDaemon(cfg, j, log)
	if err != nil {
		return err
	}
	log.WithFields(logrus.Fields{
		"version": versionText(), "pair": cfg.Pair, "observe": cfg.Observe, "api": d.url(), "journal": journalPath(cfg),
	}).Info("syncd starts")
	notifier := newNotifier(d.pair.Snapshot, log)
	if err := d.run(ctx, notifier.run); err != nil {
		return err
	}
	log.Info("syncd has stopped")
	return nil
}

func journalPath(cfg *Config) string { return filepath.Join(cfg.DataDir, cfg.Pair+".journal") }

// openJournal gives the error its remedy.
func openJournal(cfg *Config) (*journal.Journal, error) {
	j, err := journal.Open(journalPath(cfg))
	switch {
	case codeOf(err) == exitBusy:
		return nil, fail(exitBusy, "--data-dir: %w; stop it, or give this one another --data-dir or --pair", err)
	case err != nil:
		return nil, fail(exitUsage, "--data-dir is %q: %w; name a directory that this user can write", cfg.DataDir, err)
	}
	return j, nil
}
