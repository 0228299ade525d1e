/// The shell around the node.
