package importers

import "testing"

// A log that names no collective is told by its large rows; the small ones before
// them, whose rates have too few digits, wait for that.
func TestSmallRowsWaitForALargeOne(t *testing.T) {
	const text = `#  Rank  0 Group  0 Pid 1 on n device  0 [0x1b] NVIDIA H100 80GB HBM3
#  Rank  1 Group  0 Pid 1 on n device  1 [0x1b] NVIDIA H100 80GB HBM3
#  Rank  2 Group  0 Pid 1 on n device  2 [0x1b] NVIDIA H100 80GB HBM3
#  Rank  3 Group  0 Pid 1 on n device  3 [0x1b] NVIDIA H100 80GB HBM3
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
        1024           256     float     sum      -1    42.10    0.02    0.04      0    41.90    0.02    0.04      0
   268435456      67108864     float     sum      -1  1000.00  268.44  402.65      0  1000.00  268.44  402.65      0
`
	b, err := readData(ncclTests, "log.txt", []byte(text))
	if err != nil || len(b.rows) != 4 || b.refused != 0 {
		t.Fatalf("%d rows, %d refused, %v", len(b.rows), b.refused, err)
	}
	for i := range b.rows {
		if op := b.rows[i].Workload.Op(); op != "all_reduce" {
			t.Errorf("row %d is %s", i, op)
		}
	}
}
