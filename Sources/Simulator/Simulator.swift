/// Several nodes under a virtual clock.
