// Package reports joins measurements with predictions and says how far apart
// they are: it groups, renders, compares and gates. A renderer is a function
// func(w io.Writer, …) error over a *Report and decides nothing of its own, so
// that every format shows the same numbers.
//
// Error is predicted / measured − 1, signed, a ratio. Sources (measured,
// imported, simulated) never share a group. Text that came out of a file is
// cleaned (Clean) before it is shown.
package reports
