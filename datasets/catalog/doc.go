// Package catalog holds what is published: the devices with the vendor
// document of every figure, the models with their paper, and the calibrations
// that were fitted to recorded measurements and are shipped with the program.
// An own device comes from a JSON file of the same form (LookupOrLoad).
package catalog
