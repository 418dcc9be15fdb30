#include "base/limits.h"
