package datasets

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// A results folder may be partitioned as Hive does it (Apache Hive, "Data
// Definition Language", PARTITIONED BY), which DuckDB, Spark and Trino all
// read: date=2026-01-31/host=node17/RUN.parquet. The date is that of the run's
// start in UTC, as its ID is.

// partitionDate and partitionHost name the levels of the folder.
const (
	partitionDate = "date"
	partitionHost = "host"
)

// PartitionFolder is a run's folder below the results folder:
// "date=2026-01-31/host=node17".
func PartitionFolder(meta *Meta) string {
	return filepath.Join(partitionDate+"="+partitionValue(meta, partitionDate), partitionHost+"="+partitionValue(meta, partitionHost))
}

// partitionValue is what the folder's name must say of a run, escaped.
func partitionValue(meta *Meta, name string) string {
	if name == partitionDate {
		return time.Unix(meta.StartUnixS, 0).UTC().Format(time.DateOnly)
	}
	// Hive escapes as URLs do; a name that is empty has a name of its own.
	if meta.Host == "" {
		return "__HIVE_DEFAULT_PARTITION__"
	}
	return strings.ReplaceAll(url.QueryEscape(meta.Host), "+", "%20")
}

// checkPartition refuses a file whose folders say another date or host than
// the file itself: every program that reads the folder would believe them.
func (f *File) checkPartition() error {
	for folder := range strings.SplitSeq(filepath.ToSlash(filepath.Dir(f.Path)), "/") {
		name, said, found := strings.Cut(folder, "=")
		if !found || name != partitionDate && name != partitionHost {
			continue
		}
		if is := partitionValue(&f.Meta, name); is != said {
			return fmt.Errorf("%s: its folder says %s=%.80q, and the run in it %.80q: move the file where it belongs", f.Path, name, said, is)
		}
	}
	return nil
}
