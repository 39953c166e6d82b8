// Package datasets is the vocabulary that every other room speaks: workload,
// device, measurement, prediction and run, and the form in which they are kept.
//
// A workload is a value that knows its own arithmetic. A measurement says how
// long a device took over it, a prediction says how long it should take and
// why, and a row holds both. Nothing here measures, predicts or renders.
//
// Units: seconds, bytes, FLOP and hertz, as float64 or int64, with the unit in
// the name. One multiply-add counts as two FLOP; integer operations are counted
// the same way.
package datasets
