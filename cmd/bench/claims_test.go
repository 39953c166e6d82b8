package main

import (
	"bytes"
	"os"
	"testing"

	"bench/predict/claims"
	"bench/reports"
)

// docs/claims.md is what bench claims writes.
func TestClaimsDocumentIsFresh(t *testing.T) {
	rows, err := claims.Rows(nil, claims.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := reports.ClaimsMarkdown(&want, rows, false); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/claims.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/claims.md is stale: run make claims")
	}
}
