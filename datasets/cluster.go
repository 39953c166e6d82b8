package datasets

import (
	"fmt"
	"math"
)

// Cluster is the machine that a whole model runs on: GPUs of one kind in nodes,
// a network between them, and perhaps thinner links between clusters.
type Cluster struct {
	ID string `json:"id"`
	// Device is a catalogue name, or a JSON file's path.
	Device string `json:"device"`
	GPUs   int    `json:"gpus"`
	// NodeSize is GPUs that fast links join; 0 is the device's own.
	NodeSize int `json:"node_size,omitempty"`
	// NetworkBandwidth between nodes, one direction, for each GPU; 0 is the
	// device's own.
	NetworkBandwidth float64 `json:"network_bandwidth_bytes_per_s,omitempty"`
	// ClusterGPUs share that network; beyond them BetweenBandwidth is left for
	// each GPU in one direction. Both 0: there is but one cluster.
	ClusterGPUs      int     `json:"cluster_gpus,omitempty"`
	BetweenBandwidth float64 `json:"between_bandwidth_bytes_per_s,omitempty"`
	GPUHourUSD       float64 `json:"gpu_hour_usd,omitempty"`
	Source           string  `json:"source,omitempty"`
}

// Validate names the first field that is wrong, by its JSON name.
func (c Cluster) Validate() error {
	if c.Device == "" {
		return fmt.Errorf("device is missing: give a catalogue entry such as h100-sxm, or a JSON file")
	}
	if c.GPUs < 1 || c.GPUs > 1<<24 {
		return fmt.Errorf("gpus is %d, and must be between 1 and 2^24", c.GPUs)
	}
	for _, f := range []struct {
		name  string
		value float64
	}{{"node_size", float64(c.NodeSize)}, {"network_bandwidth_bytes_per_s", c.NetworkBandwidth}, {"cluster_gpus", float64(c.ClusterGPUs)},
		{"between_bandwidth_bytes_per_s", c.BetweenBandwidth}, {"gpu_hour_usd", c.GPUHourUSD}} {
		if f.value < 0 || math.IsInf(f.value, 0) || math.IsNaN(f.value) {
			return fmt.Errorf("%s is %g, and must be a finite number, not below 0", f.name, f.value)
		}
	}
	if (c.ClusterGPUs > 0) != (c.BetweenBandwidth > 0) {
		return fmt.Errorf("cluster_gpus is %d and between_bandwidth_bytes_per_s is %g: give both, or neither", c.ClusterGPUs, c.BetweenBandwidth)
	}
	return nil
}
