package compare

// Schedule is the order of runs of two sides, 0 and 1, that alternate: ABBA in
// each round, so that a drift that is even in time falls on both alike (a
// counterbalanced design; Cox, "Planning of Experiments", 1958, section 14.2).
func Schedule(rounds int) []int {
	var order []int
	for range rounds {
		order = append(order, 0, 1, 1, 0)
	}
	return order
}
