import GGUF
import Testing
