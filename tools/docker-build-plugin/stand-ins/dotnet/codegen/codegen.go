// Package codegen holds what docker-build takes of the generator of C# packages, which
// the Go proxy does not serve: one entry of the schema that nobody here reads.
package codegen

// CSharpPackageInfo describes a C# package in a schema.
type CSharpPackageInfo struct {
	RespectSchemaVersion bool              `json:"respectSchemaVersion,omitempty"`
	PackageReferences    map[string]string `json:"packageReferences,omitempty"`
}
