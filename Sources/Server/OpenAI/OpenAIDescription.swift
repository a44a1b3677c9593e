/// The OpenAPI description of OpenAI's routes.
enum OpenAIDescription {
  /// An object of paths.
  static let paths = #"""
    {
      "/v1/models": {
        "get": {
          "summary": "The models that there are.", "tags": ["OpenAI"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {
                  "schema": {
                    "type": "object",
                    "properties": {
                      "object": {"enum": ["list"]},
                      "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}
                    },
                    "required": ["object", "data"]
                  }
                }
              }
            }
          }
        }
      },
      "/v1/models/{model}": {
        "get": {
          "summary": "One model.", "tags": ["OpenAI"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Model"}}}
            }
          },
          "parameters": [{"name": "model", "in": "path", "required": true, "schema": {"type": "string"}}]
        }
      },
      "/v1/chat/completions": {
        "post": {
          "summary": "Answers a conversation.", "tags": ["OpenAI"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/ChatReply"}},
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/ServerSentEvent"}}
              }
            }
          },
          "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}}
          }
        }
      },
      "/v1/completions": {
        "post": {
          "summary": "Goes on from texts.", "tags": ["OpenAI"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/CompletionReply"}},
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/ServerSentEvent"}}
              }
            }
          },
          "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CompletionRequest"}}}
          }
        }
      },
      "/v1/responses": {
        "post": {
          "summary": "Answers an input.", "tags": ["OpenAI"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Response"}},
                "text/event-stream": {"schema": {"$ref": "#/components/schemas/ServerSentEvent"}}
              }
            }
          },
          "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ResponseRequest"}}}
          }
        }
      },
      "/v1/embeddings": {
        "post": {
          "summary": "Makes vectors of texts.", "tags": ["OpenAI"],
          "responses": {
            "200": {
              "description": "The reply.",
              "content": {"application/json": {"schema": {"$ref": "#/components/schemas/EmbeddingReply"}}}
            }
          },
          "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/EmbeddingRequest"}}}
          }
        }
      }
    }
    """#

  /// An object of schemas that they refer to.
  static let schemas = #"""
    {
      "OpenAIError": {
        "type": "object",
        "properties": {
          "error": {
            "type": "object",
            "properties": {
              "message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]},
              "code": {"type": ["string", "null"]}
            },
            "required": ["message", "type", "param", "code"]
          }
        },
        "required": ["error"]
      },
      "ChatMessage": {
        "type": "object",
        "properties": {
          "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
          "content": {
            "anyOf": [
              {"type": "string"},
              {
                "type": "array",
                "items": {
                  "type": "object", "properties": {"type": {"type": "string"}, "text": {"type": "string"}},
                  "required": ["type"]
                }
              },
              {"type": "null"}
            ]
          },
          "name": {"type": ["string", "null"]}, "reasoning_content": {"type": ["string", "null"]},
          "tool_calls": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "null"}]},
          "tool_call_id": {"type": ["string", "null"]}
        },
        "required": ["role"]
      },
      "Usage": {
        "type": "object",
        "properties": {
          "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"},
          "total_tokens": {"type": "integer"},
          "prompt_tokens_details": {"type": "object", "properties": {"cached_tokens": {"type": "integer"}}, "required": ["cached_tokens"]}
        },
        "required": ["prompt_tokens", "completion_tokens", "total_tokens"]
      },
      "Stop": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "maxItems": 64}, {"type": "null"}]
      },
      "Prompt": {
        "anyOf": [
          {"type": "string"}, {"type": "array", "items": {"type": "string"}},
          {"type": "array", "items": {"type": "integer"}},
          {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}
        ]
      },
      "Sampling": {
        "type": "object",
        "properties": {
          "temperature": {"type": ["number", "null"], "minimum": 0},
          "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1}, "top_k": {"type": ["integer", "null"]},
          "min_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
          "typical_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
          "repeat_penalty": {"type": ["number", "null"], "exclusiveMinimum": 0},
          "repeat_last_n": {"type": ["integer", "null"], "minimum": -1},
          "presence_penalty": {"type": ["number", "null"]}, "frequency_penalty": {"type": ["number", "null"]},
          "seed": {"type": ["integer", "null"]}, "ignore_eos": {"type": ["boolean", "null"]},
          "logit_bias": {
            "anyOf": [{"type": "object", "additionalProperties": {"type": "number"}}, {"type": "array"}, {"type": "null"}]
          }
        }
      },
      "Model": {
        "type": "object",
        "properties": {
          "id": {"type": "string"}, "object": {"enum": ["model"]}, "created": {"type": "integer"},
          "owned_by": {"type": "string"}
        },
        "required": ["id", "object", "created", "owned_by"]
      },
      "TemplateVariables": {
        "anyOf": [
          {"type": "object", "properties": {"enable_thinking": {"type": "boolean"}}, "additionalProperties": true},
          {"type": "null"}
        ]
      },
      "ChatRequest": {
        "type": "object",
        "properties": {
          "model": {"type": ["string", "null"]},
          "messages": {"type": "array", "items": {"$ref": "#/components/schemas/ChatMessage"}, "minItems": 1},
          "stream": {"type": ["boolean", "null"]},
          "stream_options": {
            "anyOf": [{"type": "object", "properties": {"include_usage": {"type": ["boolean", "null"]}}}, {"type": "null"}]
          },
          "max_tokens": {"type": ["integer", "null"], "minimum": 1},
          "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1},
          "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 128},
          "stop": {"$ref": "#/components/schemas/Stop"}, "logprobs": {"type": ["boolean", "null"]},
          "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
          "response_format": {
            "anyOf": [
              {"type": "object", "properties": {"type": {"enum": ["text", "json_object"]}}, "required": ["type"]},
              {
                "type": "object",
                "properties": {
                  "type": {"enum": ["json_schema"]},
                  "json_schema": {"type": "object", "properties": {"schema": {"type": "object"}}, "required": ["schema"]}
                },
                "required": ["type", "json_schema"]
              },
              {"type": "null"}
            ]
          },
          "grammar": {"type": ["string", "null"]}, "json_schema": {"type": ["object", "null"]},
          "tools": {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "null"}]},
          "tool_choice": {
            "anyOf": [
              {"enum": ["none", "auto", "required", null]},
              {
                "type": "object",
                "properties": {
                  "function": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
                },
                "required": ["function"]
              }
            ]
          },
          "reasoning_format": {"enum": ["none", "auto", "deepseek", null]},
          "enable_thinking": {"type": ["boolean", "null"]},
          "chat_template_kwargs": {"$ref": "#/components/schemas/TemplateVariables"},
          "cache_prompt": {"type": ["boolean", "null"]}
        },
        "required": ["messages"], "allOf": [{"$ref": "#/components/schemas/Sampling"}]
      },
      "ChatReply": {
        "type": "object",
        "properties": {
          "id": {"type": "string"}, "object": {"enum": ["chat.completion"]}, "created": {"type": "integer"},
          "model": {"type": "string"}, "usage": {"$ref": "#/components/schemas/Usage"},
          "system_fingerprint": {"type": "string"},
          "choices": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "index": {"type": "integer"},
                "message": {
                  "type": "object",
                  "properties": {
                    "role": {"enum": ["assistant"]}, "content": {"type": ["string", "null"]},
                    "reasoning_content": {"type": "string"}, "refusal": {"type": ["string", "null"]},
                    "tool_calls": {
                      "type": "array",
                      "items": {
                        "type": "object",
                        "properties": {
                          "id": {"type": "string"}, "type": {"enum": ["function"]},
                          "function": {
                            "type": "object", "properties": {"name": {"type": "string"}, "arguments": {"type": "string"}},
                            "required": ["name", "arguments"]
                          }
                        },
                        "required": ["id", "type", "function"]
                      }
                    }
                  },
                  "required": ["role", "content"]
                },
                "logprobs": {"anyOf": [{"type": "object"}, {"type": "null"}]},
                "finish_reason": {"enum": ["stop", "length", "tool_calls"]}
              },
              "required": ["index", "message", "finish_reason"]
            }
          }
        },
        "required": ["id", "object", "created", "model", "choices", "usage"]
      },
      "CompletionRequest": {
        "type": "object",
        "properties": {
          "model": {"type": ["string", "null"]},
          "prompt": {"anyOf": [{"$ref": "#/components/schemas/Prompt"}, {"type": "null"}]},
          "stream": {"type": ["boolean", "null"]},
          "stream_options": {
            "anyOf": [{"type": "object", "properties": {"include_usage": {"type": ["boolean", "null"]}}}, {"type": "null"}]
          },
          "max_tokens": {"type": ["integer", "null"], "minimum": 0},
          "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 128},
          "best_of": {"type": ["integer", "null"]}, "echo": {"type": ["boolean", "null"]},
          "suffix": {"type": ["string", "null"]}, "stop": {"$ref": "#/components/schemas/Stop"},
          "logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 5},
          "cache_prompt": {"type": ["boolean", "null"]}
        },
        "allOf": [{"$ref": "#/components/schemas/Sampling"}]
      },
      "CompletionReply": {
        "type": "object",
        "properties": {
          "id": {"type": "string"}, "object": {"enum": ["text_completion"]}, "created": {"type": "integer"},
          "model": {"type": "string"}, "usage": {"$ref": "#/components/schemas/Usage"},
          "choices": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "text": {"type": "string"}, "index": {"type": "integer"},
                "logprobs": {"anyOf": [{"type": "object"}, {"type": "null"}]},
                "finish_reason": {"enum": ["stop", "length"]}
              },
              "required": ["text", "index", "finish_reason"]
            }
          }
        },
        "required": ["id", "object", "created", "model", "choices", "usage"]
      },
      "ResponseTool": {
        "type": "object",
        "properties": {
          "type": {"enum": ["function"]}, "name": {"type": "string"}, "description": {"type": ["string", "null"]},
          "parameters": {"type": ["object", "null"]}, "strict": {"type": ["boolean", "null"]}
        },
        "required": ["type", "name"]
      },
      "ResponseParts": {
        "anyOf": [
          {"type": "string"},
          {
            "type": "array",
            "items": {
              "type": "object", "properties": {"type": {"type": "string"}, "text": {"type": "string"}},
              "required": ["type"]
            }
          }
        ]
      },
      "ResponseInputItem": {
        "anyOf": [
          {
            "type": "object",
            "properties": {
              "type": {"enum": ["message", null]}, "role": {"enum": ["system", "developer", "user", "assistant"]},
              "content": {"$ref": "#/components/schemas/ResponseParts"}
            },
            "required": ["role", "content"]
          },
          {
            "type": "object",
            "properties": {
              "type": {"enum": ["reasoning"]},
              "summary": {"type": "array", "items": {"type": "object"}},
              "content": {"type": "array", "items": {"type": "object"}}
            },
            "required": ["type"]
          },
          {
            "type": "object",
            "properties": {
              "type": {"enum": ["function_call"]}, "call_id": {"type": "string"}, "name": {"type": "string"},
              "arguments": {"type": "string"}
            },
            "required": ["type", "call_id", "name", "arguments"]
          },
          {
            "type": "object",
            "properties": {
              "type": {"enum": ["function_call_output"]}, "call_id": {"type": "string"},
              "output": {"$ref": "#/components/schemas/ResponseParts"}
            },
            "required": ["type", "call_id", "output"]
          }
        ]
      },
      "ResponseRequest": {
        "type": "object",
        "properties": {
          "model": {"type": ["string", "null"]},
          "input": {
            "anyOf": [
              {"type": "string"},
              {
                "type": "array",
                "items": {"$ref": "#/components/schemas/ResponseInputItem"},
                "minItems": 1
              }
            ]
          },
          "instructions": {"type": ["string", "null"]},
          "max_output_tokens": {"type": ["integer", "null"], "minimum": 1}, "stream": {"type": ["boolean", "null"]},
          "previous_response_id": {"type": ["string", "null"]},
          "text": {
            "anyOf": [
              {
                "type": "object",
                "properties": {
                  "format": {
                    "anyOf": [
                      {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]},
                      {"type": "null"}
                    ]
                  }
                }
              },
              {"type": "null"}
            ]
          },
          "tools": {
            "anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/ResponseTool"}}, {"type": "null"}]
          },
          "tool_choice": {
            "anyOf": [
              {"enum": ["none", "auto", "required", null]},
              {
                "type": "object", "properties": {"type": {"enum": ["function"]}, "name": {"type": "string"}},
                "required": ["type", "name"]
              }
            ]
          },
          "enable_thinking": {"type": ["boolean", "null"]},
          "chat_template_kwargs": {"$ref": "#/components/schemas/TemplateVariables"},
          "stop": {"$ref": "#/components/schemas/Stop"},
          "metadata": {"anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}, {"type": "null"}]}
        },
        "required": ["input"], "allOf": [{"$ref": "#/components/schemas/Sampling"}]
      },
      "Response": {
        "type": "object",
        "properties": {
          "id": {"type": "string"}, "object": {"enum": ["response"]}, "created_at": {"type": "integer"},
          "status": {"enum": ["completed", "incomplete"]}, "model": {"type": "string"},
          "output": {
            "type": "array",
            "items": {
              "anyOf": [
                {
                  "type": "object",
                  "properties": {
                    "type": {"enum": ["message"]}, "id": {"type": "string"}, "status": {"type": "string"},
                    "role": {"enum": ["assistant"]},
                    "content": {
                      "type": "array",
                      "items": {
                        "type": "object",
                        "properties": {
                          "type": {"enum": ["output_text"]}, "text": {"type": "string"},
                          "annotations": {"type": "array", "items": {}}
                        },
                        "required": ["type", "text", "annotations"]
                      }
                    }
                  },
                  "required": ["type", "id", "status", "role", "content"]
                },
                {
                  "type": "object",
                  "properties": {
                    "type": {"enum": ["reasoning"]}, "id": {"type": "string"}, "status": {"type": "string"},
                    "summary": {"type": "array", "items": {}},
                    "content": {
                      "type": "array",
                      "items": {
                        "type": "object",
                        "properties": {"type": {"enum": ["reasoning_text"]}, "text": {"type": "string"}},
                        "required": ["type", "text"]
                      }
                    }
                  },
                  "required": ["type", "id", "status", "summary", "content"]
                },
                {
                  "type": "object",
                  "properties": {
                    "type": {"enum": ["function_call"]}, "id": {"type": "string"}, "status": {"enum": ["completed"]},
                    "call_id": {"type": "string"}, "name": {"type": "string"}, "arguments": {"type": "string"}
                  },
                  "required": ["type", "id", "status", "call_id", "name", "arguments"]
                }
              ]
            }
          },
          "tools": {"type": "array", "items": {"type": "object"}},
          "tool_choice": {"anyOf": [{"type": "string"}, {"type": "object"}]},
          "usage": {
            "type": "object",
            "properties": {
              "input_tokens": {"type": "integer"}, "output_tokens": {"type": "integer"},
              "total_tokens": {"type": "integer"}
            },
            "required": ["input_tokens", "output_tokens", "total_tokens"]
          }
        },
        "required": ["id", "object", "created_at", "status", "model", "output", "tools", "tool_choice", "usage"]
      },
      "EmbeddingRequest": {
        "type": "object",
        "properties": {
          "model": {"type": ["string", "null"]}, "input": {"$ref": "#/components/schemas/Prompt"},
          "encoding_format": {"enum": ["float", "base64", null]},
          "dimensions": {"type": ["integer", "null"], "minimum": 1},
          "pooling": {"enum": ["mean", "last", "cls", null]}
        },
        "required": ["input"]
      },
      "EmbeddingReply": {
        "type": "object",
        "properties": {
          "object": {"enum": ["list"]},
          "data": {
            "type": "array",
            "items": {
              "type": "object",
              "properties": {
                "object": {"enum": ["embedding"]}, "index": {"type": "integer"},
                "embedding": {"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string"}]}
              },
              "required": ["object", "index", "embedding"]
            }
          },
          "model": {"type": "string"},
          "usage": {
            "type": "object",
            "properties": {"prompt_tokens": {"type": "integer"}, "total_tokens": {"type": "integer"}},
            "required": ["prompt_tokens", "total_tokens"]
          }
        },
        "required": ["object", "data", "model", "usage"]
      }
    }
    """#
}
