package microbench

import (
	"strings"
	"testing"

	"bench/datasets"
)

func TestCheckResumeNamesTheDifference(t *testing.T) {
	header := func() datasets.JournalHeader {
		return datasets.JournalHeader{PlanHash: "aa", Meta: datasets.Meta{Bench: "bench 1", Machine: "cpu=A; kernel=6", Command: []string{"bench", "run"}}}
	}
	if err := CheckResume(header(), header()); err != nil {
		t.Errorf("equal headers: %v", err)
	}
	for want, change := range map[string]func(*datasets.JournalHeader){
		`a different machine: kernel was "6" and is "7"`:                 func(h *datasets.JournalHeader) { h.Meta.Machine = "cpu=A; kernel=7" },
		`a different program: it was "bench 1" and is "bench 2"`:         func(h *datasets.JournalHeader) { h.Meta.Bench = "bench 2" },
		`a different plan: "bench run" planned aa then and plans bb now`: func(h *datasets.JournalHeader) { h.PlanHash = "bb" },
	} {
		now := header()
		change(&now)
		if err := CheckResume(header(), now); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
