// Package settings holds the configuration of syncd as one table.
//
// A row of All has the key, default, allowed values and meaning of a setting and
// points to its field in Config. Everything that knows settings is made from these
// rows: flags, environment variables, the keys of the file, shell completion, the
// manual page, docs/configuration.md, the packaged file, Check, and what syncd_config
// answers. To add a setting, add a field and a row in table.go, and run `make docs`.
//
// Load reads flags, environment and file into a Config; Check says whether it can
// work. An error that no restart heals is of kind failure.NeedsHuman; one that a
// later start may not meet is ErrNotYet.
package settings
