// A program's own folder with the name of one of ours: nothing of GhostFlow may pick this file up.
#pragma once
#define CONSUMERS_OWN_ERROR_HEADER 1
