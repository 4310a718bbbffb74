// SPDX-License-Identifier: Apache-2.0
// Has nothing of its own: with it the headers that all tests share are compiled.
