package predict

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"bench/datasets"
)

// ModelVersion counts the changes of the models: raise it with every change that
// gives a workload on the same device another prediction. TestModelVersion fails
// where that was forgotten.
const ModelVersion = 2

// Version identifies what a predictor predicts with, as in "1-a1b2c3d4e5f6": the
// version of the models, and a SHA-256 of the tier and of what it knows of the
// device: figures, measured ceilings or calibration.
func (p *Predictor) Version() string {
	known := p.dev
	if p.tier != datasets.TierCeilings {
		known.Ceilings = nil
	}
	if p.tier == datasets.TierDatasheet || p.tier == datasets.TierCeilings {
		known.Calibration = nil
	}
	text, err := json.Marshal([]any{known, p.sources})
	if err != nil {
		return "" // a figure that is no number: nothing stored can be trusted to match it
	}
	return fmt.Sprintf("%d-%.6x", ModelVersion, sha256.Sum256(append(text, p.tier...)))
}
