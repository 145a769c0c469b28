// Package httpapi serves: one server per port with its limits, the middleware
// around every request, who asks, how bodies are read and how failures look.
// What is served lives in the packages below it.
package httpapi
