"""What several adapters need to read: metadata, revisions, Tekton's status, copies of objects."""
