package microbench

import (
	"fmt"
	"strings"

	"bench/datasets"
	"bench/probes"
)

// CheckResume refuses to go on with a run that another machine, another
// program or another plan began: its rows could not stand in one file. The
// error names what differs.
func CheckResume(began, now datasets.JournalHeader) error {
	if d := probes.Differences(began.Meta.Machine, now.Meta.Machine); len(d) > 0 {
		return fmt.Errorf("the run was begun on a different machine: %s", strings.Join(d, "; "))
	}
	if began.Meta.Bench != now.Meta.Bench {
		return fmt.Errorf("the run was begun by a different program: it was %q and is %q", began.Meta.Bench, now.Meta.Bench)
	}
	if began.PlanHash != now.PlanHash {
		return fmt.Errorf("the run was begun with a different plan: %q planned %s then and plans %s now",
			strings.Join(began.Meta.Command, " "), began.PlanHash, now.PlanHash)
	}
	return nil
}
