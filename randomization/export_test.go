package randomization

// Words returns the first n words of the stream of blocks of a stratum.
func Words(seed Seed, trial, stratum string, n int) []uint64 {
	s := newStream(seed, trial, stratum, purposeBlocks)
	words := make([]uint64, n)
	for i := range words {
		words[i] = s.word()
	}
	return words
}

// Below returns the first draws below each of ns, in this order, from the
// stream of blocks of a stratum.
func Below(seed Seed, trial, stratum string, ns []uint64) []uint64 {
	s := newStream(seed, trial, stratum, purposeBlocks)
	draws := make([]uint64, len(ns))
	for i, n := range ns {
		draws[i] = s.below(n)
	}
	return draws
}

// StreamKey returns the key of the stream of blocks of a stratum.
func StreamKey(seed Seed, trial, stratum string) []byte {
	return seed.derive(streamInfo(trial, stratum, purposeBlocks))
}

// StreamInfo is streamInfo.
var StreamInfo = streamInfo

// Reduce is reduce.
var Reduce = reduce

// Blocks returns the first n blocks of a sequence that hasn't been used.
func (s *Sequence) Blocks(n int) [][]Arm {
	blocks := make([][]Arm, n)
	for i := range blocks {
		start := len(s.list().arms)
		s.list().block()
		for _, arm := range s.list().arms[start:] {
			blocks[i] = append(blocks[i], Arm(arm))
		}
	}
	return blocks
}

// Hashes returns how many HMACs have been computed for the sequence.
func (s *Sequence) Hashes() uint64 { return s.list().random.counter }
